// Khronos' validator on glTF files: fails on any error or warning. tools/install_dependencies --tests installs it.
// usage: node validate_glb.js FILE.glb...; exits with 77 where the validator is missing
const fs = require('fs');

let validator;
try {
  validator = require('gltf-validator');
} catch (problem) {
  console.error('no module gltf-validator');
  process.exit(77);
}

async function check(file) {
  const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)));
  const { numErrors, numWarnings, messages } = report.issues;
  for (const message of messages) {
    console.log(`${file}: ${message.code} ${message.pointer || ''}: ${message.message}`);
  }
  const { animationCount, hasSkins, totalVertexCount } = report.info;
  console.log(`${file}: ${numErrors} errors, ${numWarnings} warnings; ${totalVertexCount} vertices`);
  return numErrors + numWarnings === 0 && animationCount === 1 && hasSkins;
}

Promise.all(process.argv.slice(2).map(check)).then((passed) => process.exit(passed.every(Boolean) ? 0 : 1));
