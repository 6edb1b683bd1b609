"""What a run leaves for other programs, read by Python: exits with 1 and a message where it says anything else.

usage: read_back.py events RUN   TensorBoard's events against metrics.jsonl, by the formats' definitions
       read_back.py csv RUN      metrics.csv against metrics.jsonl
       read_back.py npz FILE RUN     an archive by NumPy against predictions.safetensors; 77 without NumPy
"""
import csv
import json
import struct
import sys

RECORDS = ("step", "evaluation")


def numbers_of(record):
    """The numbers of a line of metrics.jsonl by their tags below the stage's."""
    if record["event"] == "step":
        return {"lr": record["lr"], **record["losses"]}
    rest = ("samples", "poses", "seconds")
    return {"test/" + name: value for name, value in record["metrics"].items()
            if isinstance(value, (int, float)) and name not in rest}


def logged(run):
    with open(run + "/metrics.jsonl") as lines:
        return [record for record in map(json.loads, lines) if record["event"] in RECORDS]


def masked_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_records(path):
    with open(path, "rb") as file:
        while head := file.read(12):
            length, check = struct.unpack("<QI", head)
            assert check == masked_crc32c(head[:8]), "a length's checksum"
            data = file.read(length)
            assert struct.unpack("<I", file.read(4))[0] == masked_crc32c(data), "a record's checksum"
            yield data


def read_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def read_fields(data):
    """(number, value) of a message of Protocol Buffers."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size, "a field is cut"
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = struct.unpack("<d" if size == 8 else "<f", data[at:at + size])[0], at + size
        yield key >> 3, value


def read_values(summary):
    for _, value in read_fields(summary):
        fields = dict(read_fields(value))
        yield fields[1].decode(), fields[2]


def check_events(run):
    first, *rest = [dict(read_fields(record)) for record in read_records(run + "/events.out.tfevents.mvgraph")]
    assert first[3] == b"brain.Event:2", first
    records = logged(run)
    assert len(rest) == len(records) > 0, (len(rest), len(records))
    for event, record in zip(rest, records):
        assert (event[1], event[2]) == (record["time"], record["overall"]), (event, record)
        expected = {record["stage"] + "/" + name: value for name, value in numbers_of(record).items()}
        found = dict(read_values(event[5]))
        assert found.keys() == expected.keys(), (found, expected)
        for tag, value in found.items():
            assert abs(value - expected[tag]) <= 1e-6 * abs(expected[tag]), (tag, value, expected[tag])


def check_csv(run):
    with open(run + "/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    records = logged(run)
    assert len(rows) == len(records) > 0, (len(rows), len(records))
    for row, record in zip(rows, records):
        known = {"event": record["event"], "stage": record["stage"], "overall": str(record["overall"])}
        assert {name: row.pop(name) for name in known} == known, (row, record)
        numbers = {name.replace("/", "_"): value for name, value in numbers_of(record).items()}
        numbers.update({name: record[name] for name in ("epoch", "step", "seconds") if name in record})
        assert {name: float(cell) for name, cell in row.items() if cell != ""} == numbers, (row, numbers)


def check_npz(path, run):
    try:
        import numpy
    except ImportError:
        sys.exit(77)
    archive = numpy.load(path)
    with open(run + "/predictions.safetensors", "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    about = header.pop("__metadata__")
    for name, key in (("frame_ids", "frame_ids"), ("joint_names", "joints")):
        assert archive[name].tolist() == json.loads(about[key]), name
    assert set(archive.files) == set(header) | {"frame_ids", "joint_names"}, archive.files
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        expected = numpy.frombuffer(data[begin:end], {"F32": "<f4", "I32": "<i4"}[entry["dtype"]])
        assert list(archive[name].shape) == entry["shape"], name
        assert archive[name].tobytes() == expected.tobytes(), name


if __name__ == "__main__":
    {"events": check_events, "csv": check_csv, "npz": check_npz}[sys.argv[1]](*sys.argv[2:])
