"""A small path tracer in Dr.Jit: one kernel for every room, so that it is compiled only once.

All finishes share one shading model (Lambert under a GGX gloss layer, metal, or thin tinted glass)
and all triangles one mesh, so no virtual call splits the vectors. Needs a vectorised variant.
"""

from dataclasses import dataclass
from typing import Any

import drjit as dr
import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from retouch.scenes.render.arrays import FlatScene, Soup
from retouch.scenes.render.film import Traced
from retouch.scenes.render.shading import Surface, onward, reflectance, shade

_SEGMENTS, _SCATTERINGS = 8, 2
"""Rays of a path at most, and surfaces it is scattered at; the ambient light stands for what follows."""
_MIRRORING = 0.1
"""Below this roughness a reflection does not count as scattering."""
_EPSILON = 2e-4
_BRIGHTEST = 4.0
"""Radiance at which bulbs and a path's later light are cut, so that no single path shows as a speck."""
_STEPS = (0.8191725134, 0.6710436067, 0.5497004779)
"""Powers of the three-dimensional golden ratio: a sequence that spreads a pixel's samples evenly."""
_NOTHING = 0xFFFFFFFF

# Dr.Jit's array types exist only once a variant is chosen, so they cannot be named in annotations.
Array = Any


def trace(flat: FlatScene, *, size: int, samples: int, seed: int) -> Traced:
    """Return the square picture of a flat scene; `seed` fixes every sample."""
    tracer = _Tracer(flat, size=size, samples=samples, seed=seed)
    channels, faces = tracer.paths(), tracer.centres()
    dr.eval(channels, faces)
    means = [np.asarray(channel).reshape(samples, size, size).mean(0) for channel in channels]
    return Traced(
        radiance=np.stack(means[0:3], axis=-1),
        albedo=np.stack(means[3:6], axis=-1),
        normals=np.stack(means[6:9], axis=-1),
        coverage=means[9],
        faces=np.asarray(faces).reshape(size, size).astype(np.int32).astype(np.int64),
    )


def _scene(soup: Soup, kept: NDArray[np.bool_] | None = None) -> Any:
    faces = soup.faces if kept is None else soup.faces[kept]
    mesh = mi.Mesh("soup", len(soup.vertices), len(faces))
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = soup.vertices.ravel()
    parameters["faces"] = faces.ravel()
    parameters.update()
    return mi.load_dict({"type": "scene", "mesh": mesh})


@dataclass
class _Path:
    """Where every path is and what it has seen."""

    active: Array
    segment: Array
    scatterings: Array
    origin: Array
    direction: Array
    weight: Array
    radiance: Array
    sees_lights: Array
    albedo: Array
    normal: Array
    coverage: Array
    random: Array


class _Tracer:
    """The scene's arrays on the device and the steps of a path through them."""

    def __init__(self, flat: FlatScene, *, size: int, samples: int, seed: int) -> None:
        self.vector: Any = type(mi.Vector4f())
        self.scene = _scene(flat.soup)
        self.unshaded = self.scene if flat.soup.opaque.all() else _scene(flat.soup, flat.soup.opaque)
        self.corners = mi.Float(flat.soup.corners.ravel())
        self.face_normals = mi.Float(flat.soup.normals.ravel())
        self.finishes = mi.Float(flat.finishes.table.ravel())
        self.atlas = mi.UInt32(flat.finishes.atlas)
        self.lights = mi.Float(flat.lights.triangles.ravel())
        self.slots = mi.UInt32(flat.lights.slots)
        self.constants = mi.Float(flat.constants)
        self.pixels, self.lanes = size * size, size * size * samples
        # Opaque to the compiler, so that other sizes and seeds reuse the kernel.
        self.slot_count = dr.opaque(mi.UInt32, len(flat.lights.slots))
        self.size = dr.opaque(mi.UInt32, size)
        self.seed = dr.opaque(mi.UInt32, seed & 0xFFFFFFFF)

    def scalar(self, index: int) -> Array:
        """Return one of the uniform values laid out by `constants_of`."""
        return dr.gather(mi.Float, self.constants, index)

    def triple(self, index: int) -> Array:
        """Return three uniform values as a vector."""
        return mi.Vector3f(*(self.scalar(index + k) for k in range(3)))

    def camera_ray(self, x: Array, y: Array) -> Array:
        """Return the ray through a point of the picture, x and y in pixels from the upper left."""
        half = mi.Float(self.size) * 0.5
        direction = self.triple(3) * (x / half - 1) + self.triple(6) * (1 - y / half) + self.triple(9)
        return mi.Ray3f(mi.Point3f(self.triple(0)), dr.normalize(direction))

    def centres(self) -> Array:
        """Return the face under the centre of every pixel."""
        pixel = dr.arange(mi.UInt32, self.pixels)
        ray = self.camera_ray(mi.Float(pixel % self.size) + 0.5, mi.Float(pixel // self.size) + 0.5)
        hit = self.scene.ray_intersect_preliminary(ray, coherent=True)
        return dr.select(hit.is_valid(), hit.prim_index, _NOTHING)

    def spread(self, pixel: Array, sample: Array, salt: int, count: int) -> list[Array]:
        """Return `count` numbers in [0, 1) that the samples of a pixel share out evenly."""
        hashed: Any = mi.sample_tea_float32
        shifts = (hashed(pixel, self.seed + (salt + k), 4) for k in range(count))
        values = [shift + mi.Float(sample) * step for shift, step in zip(shifts, _STEPS, strict=False)]
        return [value - dr.floor(value) for value in values]

    def paths(self) -> list[Array]:
        """Return radiance, first albedo, first normal and coverage of every sample, ten channels."""
        lane, pixels = dr.arange(mi.UInt32, self.lanes), self.size * self.size
        pixel, sample = lane % pixels, lane // pixels
        x, y = self.spread(pixel, sample, 0, 2)
        generator: Any = mi.PCG32
        ray = self.camera_ray(mi.Float(pixel % self.size) + x, mi.Float(pixel // self.size) + y)
        start = _Path(
            active=mi.Bool(True),
            segment=mi.UInt32(0),
            scatterings=mi.UInt32(0),
            origin=ray.o,
            direction=ray.d,
            weight=mi.Color3f(1),
            radiance=mi.Color3f(0),
            sees_lights=mi.Bool(True),
            albedo=mi.Color3f(0),
            normal=mi.Vector3f(0),
            coverage=mi.Float(0),
            random=generator(size=self.lanes, initstate=mi.UInt64(self.seed)),
        )
        even = [
            *self.spread(pixel, sample, 11, 3),
            *self.spread(pixel, sample, 23, 3),
            *self.spread(pixel, sample, 31, 2),
        ]

        def body(path: _Path) -> tuple[_Path]:
            return (self.step(path, even),)

        (end,) = dr.while_loop((start,), lambda path: path.active, body, label="paths")
        return [*end.radiance, *end.albedo, *end.normal, end.coverage]

    def step(self, path: _Path, even: list[Array]) -> _Path:
        """Follow every path over one segment: meet a surface, gather light there, choose where to go."""
        ray = mi.Ray3f(path.origin, path.direction)
        hit = self.scene.ray_intersect_preliminary(ray, coherent=False, active=path.active)
        found = path.active & hit.is_valid()
        missed = path.active & ~found & (path.segment > 0)
        path.radiance += dr.select(missed, path.weight * mi.Color3f(self.triple(15)), 0)
        path.coverage = dr.select(found, 1.0, path.coverage)
        surface = self.surface(hit, path, found)
        glow = dr.minimum(path.weight * surface.glow, _BRIGHTEST)
        path.radiance += dr.select(found & (path.sees_lights | ~surface.sampled), glow, 0)

        early = path.scatterings == 0
        chance = [dr.select(early, value, path.random.next_float32(found)) for value in even[:6]]
        pane = dr.select(path.segment == 0, even[6], even[7])
        fresnel = reflectance(surface, dr.dot(surface.normal, path.direction))
        solidity = dr.maximum(surface.opacity, dr.max(fresnel))
        through = found & (pane >= solidity)
        self.record(path, surface, found)
        light = self.direct(surface, path, chance[0:3], found & ~through)
        light += self.sunlight(surface, path, chance[4:6], found & ~through)
        light = dr.select(early, light, dr.minimum(light, _BRIGHTEST))
        path.radiance += dr.select(found & ~through, path.weight * light, 0)
        self.move_on(path, surface, fresnel, (found, through), chance[3:6])
        return path

    def record(self, path: _Path, surface: Surface, found: Array) -> None:
        """Keep albedo and normal of the first surface for the denoiser; of panes too, lest it keep their noise."""
        first = found & (path.segment == 0)
        path.albedo = dr.select(first, surface.albedo, path.albedo)
        path.normal = dr.select(first, surface.normal, path.normal)

    def move_on(
        self, path: _Path, surface: Surface, fresnel: Array, masks: tuple[Array, Array], chance: list[Array]
    ) -> None:
        """Send each path through its pane, off its surface, or end it in the ambient light."""
        found, through = masks
        share = dr.max(fresnel) / dr.maximum(dr.max(fresnel) + dr.max(surface.scattered), 1e-4)
        share = dr.select(surface.glossy(), dr.maximum(share, surface.metallic), 0)
        reflected = chance[0] < share
        bounced = onward(surface, path.direction, reflected, chance[1], chance[2])
        factor = dr.select(
            reflected, fresnel / dr.maximum(share, 1e-4), surface.scattered / dr.maximum(1 - share, 1e-4)
        )
        path.weight *= dr.select(through, dr.sqrt(surface.albedo), factor)
        mirrored = reflected & (surface.roughness < _MIRRORING)
        path.scatterings += dr.select(through | mirrored, mi.UInt32(0), mi.UInt32(1))
        path.segment += 1
        over = (path.scatterings >= _SCATTERINGS) | (path.segment >= _SEGMENTS)
        ended = found & ~through & over
        path.radiance += dr.select(ended, path.weight * mi.Color3f(self.triple(12)), 0)
        side = dr.select(through, -_EPSILON, _EPSILON)
        path.origin = mi.Point3f(surface.position + surface.face_normal * side)
        path.direction = dr.select(through, path.direction, bounced)
        path.sees_lights = dr.select(through, path.sees_lights, reflected & surface.glossy())
        outward = through | (dr.dot(bounced, surface.face_normal) > 0)
        path.active = found & ~over & outward

    def surface(self, hit: Array, path: _Path, active: Array) -> Surface:
        """Look up everything about the met point."""
        face, u, v = hit.prim_index, hit.prim_uv.x, hit.prim_uv.y
        w = 1 - u - v
        a, b, c, d = (dr.gather(self.vector, self.corners, face * 4 + k, active) for k in range(4))
        normal = dr.normalize(
            mi.Vector3f(a.x, a.y, a.z) * w + mi.Vector3f(a.w, b.x, b.y) * u + mi.Vector3f(b.z, b.w, c.x) * v
        )
        plane = dr.gather(self.vector, self.face_normals, face, active)
        face_normal = mi.Vector3f(plane.x, plane.y, plane.z)
        face_normal = dr.select(dr.dot(face_normal, path.direction) > 0, -face_normal, face_normal)
        finish = mi.UInt32(d.w)
        e, f, g = (dr.gather(self.vector, self.finishes, finish * 3 + k, active) for k in range(3))
        tile_u, tile_v = c.y * w + c.w * u + d.y * v, c.z * w + d.x * u + d.z * v
        albedo = self.texel(mi.UInt32(e.x), e.y, tile_u, tile_v, active)
        return Surface(
            position=path.origin + path.direction * hit.t,
            face_normal=face_normal,
            normal=dr.select(dr.dot(normal, face_normal) < 0, -normal, normal),
            albedo=albedo,
            roughness=e.z,
            metallic=e.w,
            specular=f.x,
            opacity=f.y,
            sampled=f.z > 0.5,
            scattered=albedo * ((1 - e.w) * f.w),
            glow=mi.Color3f(g.x, g.y, g.z) * albedo,
        )

    def texel(self, start: Array, side: Array, u: Array, v: Array, active: Array) -> Array:
        """Return the albedo of the nearest texel of a repeating tile."""
        column = mi.UInt32(dr.minimum((u - dr.floor(u)) * side, side - 1))
        row = mi.UInt32(dr.minimum((v - dr.floor(v)) * side, side - 1))
        packed = dr.gather(mi.UInt32, self.atlas, start + row * mi.UInt32(side) + column, active)
        return dr.square(mi.Color3f(*(mi.Float((packed >> shift) & 255) for shift in (0, 8, 16))) / 255)

    def direct(self, surface: Surface, path: _Path, chance: list[Array], active: Array) -> Array:
        """Return the light from one point on a glowing triangle picked by power."""
        pick, u, v = chance
        slot = dr.minimum(mi.UInt32(pick * mi.Float(self.slot_count)), self.slot_count - 1)
        light = dr.gather(mi.UInt32, self.slots, slot, active)
        a, b, c, d = (dr.gather(self.vector, self.lights, light * 4 + k, active) for k in range(4))
        root = dr.sqrt(u)
        edges = mi.Vector3f(b.x, b.y, b.z) * (1 - root) + mi.Vector3f(c.x, c.y, c.z) * (root * v)
        offset = mi.Vector3f(a.x, a.y, a.z) + edges - mi.Vector3f(surface.position)
        squared = dr.maximum(dr.squared_norm(offset), 1e-4)
        distance = dr.sqrt(squared)
        towards = offset / distance
        shaded = shade(surface, path.direction, towards)
        strength = dr.abs(dr.dot(towards, mi.Vector3f(d.x, d.y, d.z))) * d.w / (squared * dr.pi)
        useful = active & (dr.dot(towards, surface.face_normal) > 0) & (dr.max(shaded) * strength > 1e-5)
        lit = self.unblocked(surface, towards, distance, useful)
        return dr.select(lit, shaded * mi.Color3f(a.w, b.w, c.w) * strength, 0)

    def sunlight(self, surface: Surface, path: _Path, chance: list[Array], active: Array) -> Array:
        """Return the sun's light where its ray leaves the room through the unseen window."""
        u, v = chance
        blur = mi.Vector3f(u - 0.5, v - 0.5, u + v - 1) * 0.035
        towards = dr.normalize(self.triple(23) + blur)
        plane, y0, z0, y1, z1 = (self.scalar(18 + k) for k in range(5))
        distance = (plane - surface.position.x) / towards.x
        across = (surface.position.y + towards.y * distance - y0) / (y1 - y0)
        along = (surface.position.z + towards.z * distance - z0) / (z1 - z0)
        opening = (across > 0) & (across < 1) & (along > 0) & (along < 1) & (distance > 0)
        bars = (dr.abs(across - 0.5) < 0.03) | (dr.abs(along - 0.5) < 0.025)
        irradiance = mi.Color3f(self.triple(26))
        useful = active & opening & ~bars & (dr.max(irradiance) > 0)
        useful &= dr.dot(towards, surface.face_normal) > 0
        lit = self.unblocked(surface, towards, distance - 0.03, useful)
        return dr.select(lit, shade(surface, path.direction, towards) * irradiance, 0)

    def unblocked(self, surface: Surface, towards: Array, distance: Array, active: Array) -> Array:
        """Return where nothing opaque stands between a surface and a point in a direction."""
        ray = mi.Ray3f(mi.Point3f(surface.position + surface.face_normal * _EPSILON), towards)
        ray.maxt = distance * (1 - 1e-3)
        return active & ~self.unshaded.ray_test(ray, coherent=False, active=active)
