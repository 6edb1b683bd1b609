"""Small decompositions, alignment, triangulation and rotations against PyTorch."""
import torch

from .common import case, given, wave, waves


def signed(vectors):
    """Columns whose largest element is positive."""
    largest = vectors.gather(-2, vectors.abs().argmax(-2, keepdim=True))
    return vectors * torch.sign(largest)


def eigh(a):
    values, vectors = torch.linalg.eigh((a + a.transpose(-1, -2)) / 2)
    return values, signed(vectors)


def svd_right(a):
    _, s, vh = torch.linalg.svd(a, full_matrices=False)
    return s, signed(vh.transpose(-1, -2))


def svd(a):
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    v = vh.transpose(-1, -2)
    turned = torch.sign(v.gather(-2, v.abs().argmax(-2, keepdim=True)))
    return u * turned, s, v * turned


def nearest_rotation(m):
    u, _, vh = torch.linalg.svd(m)
    ones = torch.ones(m.shape[:-2])
    flip = torch.diag_embed(torch.stack([ones, ones, torch.det(u @ vh)], -1))
    return u @ flip @ vh


def procrustes(source, target):
    a, b = source - source.mean(-2, keepdim=True), target - target.mean(-2, keepdim=True)
    covariance = b.transpose(-1, -2) @ a
    rotation = nearest_rotation(covariance)
    scale = (rotation * covariance).sum((-2, -1)) / (a ** 2).sum((-2, -1))
    moved = scale[..., None] * (rotation @ source.mean(-2)[..., None])[..., 0]
    return rotation, target.mean(-2) - moved, scale


def procrustes_align(source, target):
    rotation, translation, scale = procrustes(source, target)
    return scale[..., None, None] * source @ rotation.transpose(-1, -2) + translation[..., None, :]


def triangulate(matrices, points, confidence=None):
    rows = points[..., None] * matrices[:, :, None, 2:3] - matrices[:, :, None, :2]
    if confidence is not None:
        rows = rows * confidence[..., None, None]
    n, v, k = points.shape[:3]
    system = rows.permute(0, 2, 1, 3, 4).reshape(n, k, 2 * v, 4)
    x = torch.linalg.svd(system)[2][..., 3, :]
    return x[..., :3] / x[..., 3:]


def cross_matrix(x):
    zero = torch.zeros(x.shape[:-1])
    k = torch.stack([zero, -x[..., 2], x[..., 1], x[..., 2], zero, -x[..., 0], -x[..., 1], x[..., 0], zero], -1)
    return k.reshape(*x.shape[:-1], 3, 3)


def axis_angle_to_matrix(x):
    return torch.matrix_exp(cross_matrix(x))


def rotation_6d_to_matrix(x):
    """The first two columns of the orthogonal factor, by Cholesky: [a1 a2] = B L^T."""
    columns = torch.stack([x[..., :3], x[..., 3:]], -1)
    lower = torch.linalg.cholesky(columns.transpose(-1, -2) @ columns)
    b = columns @ torch.linalg.inv(lower).transpose(-1, -2)
    return torch.cat([b, torch.cross(b[..., 0], b[..., 1], dim=-1)[..., None]], -1)


def quaternion_to_matrix(q):
    """By the product q v q* of each unit vector."""
    q = q / q.norm(dim=-1, keepdim=True)
    w, v = q[..., :1, None], q[..., 1:]
    k = cross_matrix(v)
    return torch.eye(3) + 2 * w * k + 2 * k @ k


def linear_blend_skinning(points, weights, transforms):
    homogeneous = torch.cat([points, torch.ones(points.shape[:2] + (1,))], -1)
    return torch.einsum("vj,bjrc,bvc->bvr", weights, transforms, homogeneous)


def transform_points(points, transforms):
    homogeneous = torch.cat([points, torch.ones(points.shape[:2] + (1,))], -1)
    return torch.einsum("brc,bkc->bkr", transforms, homogeneous)


def project_points(points, rotation, translation, focal, centre, radial, tangential):
    """Distortion as OpenCV's documentation writes it."""
    own = torch.einsum("nvij,npj->nvpi", rotation, points) + translation[:, :, None]
    x, y = own[..., 0] / own[..., 2], own[..., 1] / own[..., 2]
    k1, k2, k3 = (radial[..., i, None] for i in range(3))
    p1, p2 = (tangential[..., i, None] for i in range(2))
    r2 = x ** 2 + y ** 2
    scale = 1 + k1 * r2 + k2 * r2 ** 2 + k3 * r2 ** 3
    u = x * scale + 2 * p1 * x * y + p2 * (r2 + 2 * x ** 2)
    v = y * scale + p1 * (r2 + 2 * y ** 2) + 2 * p2 * x * y
    return torch.stack([u, v], -1) * focal[:, :, None] + centre[:, :, None], own[..., 2]


def rounded(tensor):
    return given([[[float(f"{x:.6g}") for x in row] for row in matrix] for matrix in tensor.tolist()])


def ring(views):
    """Cameras round the origin, looking at it from three and four metres: [R | t], x right, y down, z away."""
    matrices = []
    for i in range(views):
        angle = torch.tensor([0.1 * i, 1.7 * i + 0.3, 0.05])
        translation = torch.tensor([[0.1 * i], [-0.05], [3.0 + 0.4 * i]])
        matrices.append(torch.cat([axis_angle_to_matrix(angle), translation], 1))
    return torch.stack(matrices)


def multiview_cases():
    matrices = ring(3)
    world = wave([5, 3], 0.3, 0.7)
    seen = world @ matrices[:, :, :3].transpose(-1, -2) + matrices[:, None, :, 3]
    noisy = seen[..., :2] / seen[..., 2:] + 0.01 * wave([3, 5, 2], 2.0)
    cameras = given([rounded(matrices)["values"]])
    cameras["shape"] = [1, 3, 3, 4]
    pictures = given([rounded(noisy)["values"]])
    pictures["shape"] = [1, 3, 5, 2]
    confidence = given([[[1, 0.5, 0.9, 1, 0.2], [0.8, 1, 0, 1, 0.7], [0.3, 1, 1, 0.6, 1]]])
    lens = [waves([1, 3, 2], 0.6, 0.2, 1.5), waves([1, 3, 2], 1.6, 0.1, 0.5), waves([1, 3, 3], 0.1, 0.2),
            waves([1, 3, 2], 2.2, 0.01)]
    rotations = given([[[row[:3] for row in matrix] for matrix in matrices.tolist()]])
    translations = given([[[row[3] for row in matrix] for matrix in matrices.tolist()]])
    return [
        case("projection with distortion", "cameras.project_points",
             [waves([1, 5, 3], 0.9, 0.6), rotations, translations] + lens, project_points),
        case("linear blend skinning", "ops.linear_blend_skinning",
             [waves([2, 5, 3]), waves([5, 4], 0.3, 0.2, 0.25), waves([2, 4, 3, 4], 1.2)], linear_blend_skinning),
        case("points moved", "ops.transform_points", [waves([2, 5, 3]), waves([2, 3, 4], 1.2)], transform_points),
        case("one point moved", "ops.transform_points", [waves([1, 1, 3]), waves([1, 3, 4], 0.2)], transform_points),
        case("triangulation", "ops.triangulate", [cameras, pictures], triangulate),
        case("triangulation with confidence", "ops.triangulate", [cameras, pictures, confidence], triangulate),
    ]


def rotation_cases():
    steep = given([[1.1, -0.4, 0.3], [0.0, 0.0, 0.0], [1e-5, 2e-5, -1e-5], [-2.0, 1.5, 1.2]])
    return [
        case("axis-angle to matrix", "rotations.axis_angle_to_matrix", [waves([2, 3, 3])], axis_angle_to_matrix),
        case("axis-angle to matrix near zero", "rotations.axis_angle_to_matrix", [steep], axis_angle_to_matrix),
        case("quaternion to matrix", "rotations.quaternion_to_matrix", [waves([2, 3, 4])], quaternion_to_matrix),
        case("6D to matrix", "rotations.rotation_6d_to_matrix", [waves([3, 6])], rotation_6d_to_matrix),
    ]


def cases():
    matrices = waves([3, 3, 3])
    proper = [[[0.9, -0.2, 0.3], [0.4, 1.1, -0.1], [-0.2, 0.3, 0.7]]]
    mirrored = [[[0.9, -0.2, 0.3], [0.4, 1.1, -0.1], [0.2, -0.3, -0.5]]]
    equal = [[[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]]]  # a rotation: equal singular values
    return [
        case("eigh 3x3", "ops.eigh", [matrices], eigh),
        case("eigh 4x4", "ops.eigh", [waves([2, 4, 4], 1.3)], eigh),
        case("eigh 6x6", "ops.eigh", [waves([1, 6, 6], 0.2)], eigh),
        case("right singular vectors of 3x3", "ops.svd_right", [matrices], svd_right),
        case("right singular vectors of 8x4", "ops.svd_right", [waves([2, 8, 4], 0.9)], svd_right),
        case("svd 3x3", "ops.svd", [given(proper + mirrored)], svd),  # waves are too near to rank 2 for U
        case("svd 5x3", "ops.svd", [rounded(wave([2, 5, 3], 2.1) + torch.eye(5, 3))], svd),
        case("det", "ops.det", [matrices], torch.det),
        case("inverse", "ops.inverse", [given(proper + mirrored)], torch.inverse),
        case("cross", "ops.cross", [waves([4, 3]), waves([4, 3], 2.0)], lambda a, b: torch.cross(a, b, dim=-1)),
        case("nearest rotation", "ops.nearest_rotation", [given(proper)], nearest_rotation),
        case("nearest rotation of a reflection", "ops.nearest_rotation", [given(mirrored)], nearest_rotation),
        case("nearest rotation of a rotation", "ops.nearest_rotation", [given(equal)], nearest_rotation,
             gradient=False),  # PyTorch's own is not finite here
        case("similarity", "ops.procrustes", [waves([2, 7, 3]), waves([2, 7, 3], 1.9, 0.8, 0.2)], procrustes),
        case("Procrustes alignment", "ops.procrustes_align", [waves([2, 7, 3]), waves([2, 7, 3], 1.9, 0.8, 0.2)],
             procrustes_align),
    ] + multiview_cases() + rotation_cases()
