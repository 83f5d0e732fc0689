"""The same rooms through Mitsuba's own integrators, where no LLVM is fit: slower, and without sun or ambient."""

from typing import Any

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from retouch.scenes.render.arrays import Finishes, FlatScene, Soup
from retouch.scenes.render.film import Traced

_DEPTH = 5


def trace(flat: FlatScene, *, size: int, samples: int, seed: int) -> Traced:
    """Return the square picture of a flat scene; `seed` fixes every sample."""
    scene = _furnished(flat)
    paths = {"type": "path", "max_depth": _DEPTH, "rr_depth": _DEPTH}
    radiance = _rendered(scene, _sensor(flat, size, _random(samples)), paths, seed)
    hits = _rendered(scene, _sensor(flat, size, _CENTRES), _HITS, seed)
    found = hits[..., -1] > 0
    return Traced(
        radiance=np.ascontiguousarray(radiance[..., 0:3]) * found[..., None],
        albedo=np.ascontiguousarray(hits[..., 0:3]),
        normals=np.ascontiguousarray(hits[..., 3:6]),
        coverage=found.astype(np.float32),
        faces=np.where(found, _faces(flat.soup, hits[..., 6], hits[..., 7]), -1),
    )


_HITS = {
    "type": "aov",
    "aovs": "albedo:albedo,normal:sh_normal,mesh:shape_index,face:prim_index,depth:depth",
}
_CENTRES = {"type": "stratified", "sample_count": 1, "jitter": False}


def _faces(soup: Soup, meshes: NDArray[np.float32], faces: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the soup's face numbers from those within each finish's mesh."""
    numbers = soup.corners[:, 15].astype(np.int64)
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(numbers.max() + 1))
    # Mitsuba counts shapes from one.
    mesh = np.clip(np.rint(meshes).astype(np.int64) - 1, 0, len(starts) - 1)
    return order[np.clip(starts[mesh] + np.rint(faces).astype(np.int64), 0, len(order) - 1)]


def _random(samples: int) -> dict[str, Any]:
    return {"type": "independent", "sample_count": samples}


def _rendered(scene: Any, sensor: Any, integrator: dict[str, Any], seed: int) -> NDArray[np.float32]:
    image = mi.render(scene, sensor=sensor, integrator=mi.load_dict(integrator), seed=mi.UInt32(seed & 0xFFFFFFFF))
    return np.ascontiguousarray(np.nan_to_num(np.asarray(image, np.float32)))


def _sensor(flat: FlatScene, size: int, sampler: dict[str, Any]) -> Any:
    eye, right, up, forward = flat.constants[:12].reshape(4, 3).astype(np.float64)
    film = {
        "type": "hdrfilm",
        "width": size,
        "height": size,
        "pixel_format": "rgb",
        "component_format": "float32",
        "rfilter": {"type": "box"},
    }
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": float(2 * np.degrees(np.arctan(np.linalg.norm(right)))),
            "to_world": mi.ScalarTransform4f().look_at(
                origin=eye.tolist(), target=(eye + forward).tolist(), up=up.tolist()
            ),
            "near_clip": 0.01,
            "film": film,
            "sampler": sampler,
        }
    )


def _furnished(flat: FlatScene) -> Any:
    """Return the scene with one mesh for each finish."""
    numbers = flat.soup.corners[:, 15].astype(np.int64)
    scene: dict[str, Any] = {"type": "scene"}
    for number, row in enumerate(flat.finishes.table):
        plugins: dict[str, Any] = {"bsdf": _bsdf(flat.finishes, row)}
        glow = row[8:11] * _mean_albedo(flat.finishes, row)
        if glow.any():
            plugins["emitter"] = {"type": "area", "radiance": {"type": "rgb", "value": glow.tolist()}}
        scene[f"finish{number}"] = _mesh(flat.soup, numbers == number, plugins)
    backdrop = flat.constants[15:18]
    if backdrop.any():
        scene["backdrop"] = {"type": "constant", "radiance": {"type": "rgb", "value": backdrop.tolist()}}
    return mi.load_dict(scene)


def _mesh(soup: Soup, kept: NDArray[np.bool_], plugins: dict[str, Any]) -> Any:
    """Return the kept faces as a mesh of unshared corners."""
    properties = mi.Properties()
    for name, plugin in plugins.items():
        properties[name] = mi.load_dict(plugin)
    count = int(kept.sum())
    mesh = mi.Mesh("faces", 3 * count, count, props=properties, has_vertex_normals=True, has_vertex_texcoords=True)
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = soup.vertices[soup.faces[kept]].ravel()
    parameters["vertex_normals"] = soup.corners[kept, :9].ravel()
    parameters["vertex_texcoords"] = soup.corners[kept, 9:15].ravel()
    parameters["faces"] = np.arange(3 * count, dtype=np.uint32)
    parameters.update()
    return mesh


def _texels(finishes: Finishes, row: NDArray[np.float32]) -> NDArray[np.float32]:
    start, side = int(row[0]), int(row[1])
    packed = finishes.atlas[start : start + side * side].reshape(side, side, 1)
    roots = (packed >> np.array([0, 8, 16], np.uint32)) & 255
    return np.square(roots.astype(np.float32) / 255)


def _mean_albedo(finishes: Finishes, row: NDArray[np.float32]) -> NDArray[np.float32]:
    return _texels(finishes, row).mean((0, 1))


def _bsdf(finishes: Finishes, row: NDArray[np.float32]) -> dict[str, Any]:
    _, _, roughness, metallic, specular, opacity, _, scattering = (float(value) for value in row[:8])
    # Mitsuba stores pictures from the top row down, the atlas from v = 0 up.
    texels = np.ascontiguousarray(_texels(finishes, row)[::-1] * max(scattering, 0.02))
    bsdf = {
        "type": "principled",
        "base_color": {"type": "bitmap", "data": mi.TensorXf(texels), "raw": True, "filter_type": "nearest"},
        "roughness": max(roughness, 0.02),
        "metallic": metallic,
        "specular": max(specular, 0.01),
    }
    twosided = {"type": "twosided", "bsdf": bsdf}
    return {"type": "mask", "opacity": opacity, "bsdf": twosided} if opacity < 1 else twosided
