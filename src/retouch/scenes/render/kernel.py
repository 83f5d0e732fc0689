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

from retouch.scenes.render.film import Traced
from retouch.scenes.render.flatten import FlatScene, Soup

_SEGMENTS, _SCATTERINGS = 8, 2
_SMOOTH = 0.3
"""Below this roughness reflections are traced; above it only the highlights of the lights are shaded."""
_EPSILON = 2e-4
_BRIGHTEST = 4.0
"""Radiance at which bulbs and a path's later light are cut, so that no single path shows as a speck."""
_STEPS = (0.8191725134, 0.6710436067, 0.5497004779)
"""Powers of the three-dimensional golden ratio: a sequence that spreads a pixel's samples evenly."""

# Dr.Jit's array types exist only once a variant is chosen, hence `Any` in the signatures below.
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


def _scene(soup: Soup, kept: NDArray[np.bool_] | None) -> Any:
    faces = soup.faces if kept is None else soup.faces[kept]
    mesh = mi.Mesh("soup", len(soup.vertices), len(faces))
    parameters = mi.traverse(mesh)
    parameters["vertex_positions"] = soup.vertices.ravel()
    parameters["faces"] = faces.ravel()
    parameters.update()
    return mi.load_dict({"type": "scene", "mesh": mesh})


@dataclass(frozen=True)
class _Surface:
    """What a ray has met: position, face and shading normal towards the ray, and the finish there."""

    position: Array
    face_normal: Array
    normal: Array
    albedo: Array
    roughness: Array
    metallic: Array
    specular: Array
    opacity: Array
    sampled: Array
    scattered: Array
    glow: Array


class _Tracer:
    """The scene's arrays on the device and the steps of a path through them."""

    def __init__(self, flat: FlatScene, *, size: int, samples: int, seed: int) -> None:
        self.vector = type(mi.Vector4f())
        self.scene = _scene(flat.soup, None)
        all_opaque = bool(flat.soup.opaque.all())
        self.shadow = self.scene if all_opaque else _scene(flat.soup, flat.soup.opaque)
        self.corners = mi.Float(flat.soup.corners.ravel())
        self.face_normals = mi.Float(flat.soup.normals.ravel())
        self.finishes = mi.Float(flat.finishes.table.ravel())
        self.atlas = mi.UInt32(flat.finishes.atlas)
        self.lights = mi.Float(flat.lights.triangles.ravel())
        self.slots = mi.UInt32(flat.lights.slots)
        self.slot_count = dr.opaque(mi.UInt32, len(flat.lights.slots))
        self.constants = mi.Float(flat.constants)
        self.lanes = size * size * samples
        self.pixels = size * size
        self.size = dr.opaque(mi.UInt32, size)
        self.seed = dr.opaque(mi.UInt32, seed & 0xFFFFFFFF)

    def constant(self, index: int) -> Array:
        return mi.Vector3f(*(dr.gather(mi.Float, self.constants, index + k) for k in range(3)))

    def scalar(self, index: int) -> Array:
        return dr.gather(mi.Float, self.constants, index)

    def camera_ray(self, x: Array, y: Array) -> Array:
        """Return the ray through a point of the picture, x and y in pixels from the upper left."""
        half = mi.Float(self.size) * 0.5
        across, upward = x / half - 1, 1 - y / half
        direction = self.constant(3) * across + self.constant(6) * upward + self.constant(9)
        return mi.Ray3f(mi.Point3f(self.constant(0)), dr.normalize(direction))

    def centres(self) -> Array:
        """Return the face under the centre of every pixel, 2³² − 1 where there is none."""
        pixel = dr.arange(mi.UInt32, self.pixels)
        ray = self.camera_ray(mi.Float(pixel % self.size) + 0.5, mi.Float(pixel // self.size) + 0.5)
        hit = self.scene.ray_intersect_preliminary(ray, coherent=True)
        return dr.select(hit.is_valid(), hit.prim_index, 0xFFFFFFFF)

    def spread(self, pixel: Array, sample: Array, salt: int, count: int) -> list[Array]:
        """Return `count` numbers in [0, 1) that the samples of a pixel share out evenly."""
        shift = [mi.sample_tea_float32(pixel, self.seed + (salt + k), 4) for k in range(count)]
        steps = (shift[k] + mi.Float(sample) * _STEPS[k] for k in range(count))
        return [value - dr.floor(value) for value in steps]

    def paths(self) -> list[Array]:
        """Return radiance, first albedo, first normal and coverage of every sample, ten channels."""
        lane = dr.arange(mi.UInt32, self.lanes)
        pixels = self.size * self.size
        pixel, sample = lane % pixels, lane // pixels
        random = mi.PCG32(size=self.lanes, initstate=mi.UInt64(self.seed))
        x, y = self.spread(pixel, sample, 0, 2)
        ray = self.camera_ray(mi.Float(pixel % self.size) + x, mi.Float(pixel // self.size) + y)
        zero, one = mi.Color3f(0), mi.Color3f(1)
        state = (
            mi.Bool(True), mi.UInt32(0), mi.UInt32(0), ray.o, ray.d, one, zero, random,
            mi.Bool(True), mi.Bool(True), zero, mi.Vector3f(0), mi.Float(0),
        )  # fmt: skip

        even = [*self.spread(pixel, sample, 11, 3), *self.spread(pixel, sample, 23, 3)]

        def body(*values: Array) -> tuple[Array, ...]:
            return self.step(even, *values)

        final = dr.while_loop(state, lambda *values: values[0], body, label="paths")
        radiance, albedo, normal, coverage = final[6], final[10], final[11], final[12]
        return [*radiance, *albedo, *normal, coverage]

    def step(
        self, even: list[Array], active: Array, segment: Array, scatterings: Array, origin: Array,
        direction: Array, weight: Array, radiance: Array, random: Array, sees_lights: Array, first: Array,
        albedo: Array, normal: Array, coverage: Array,
    ) -> tuple[Array, ...]:  # fmt: skip
        """Follow every path over one segment: meet a surface, gather light there, choose where to go."""
        hit = self.scene.ray_intersect_preliminary(mi.Ray3f(origin, direction), coherent=False, active=active)
        found = active & hit.is_valid()
        missed = active & ~hit.is_valid()
        radiance += dr.select(missed & (segment > 0), weight * mi.Color3f(self.constant(15)), 0)
        coverage = dr.select(found, 1.0, coverage)
        surface = self.surface(hit, origin, direction, found)
        glow = dr.minimum(weight * surface.glow, _BRIGHTEST)
        radiance += dr.select(found & (sees_lights | ~surface.sampled), glow, 0)

        early = scatterings == 0
        chosen = [dr.select(early, value, random.next_float32(found)) for value in even]
        pick_light, light_u, light_v, pick_lobe, turn_u, turn_v = chosen
        fresnel = self.reflectance(surface, dr.abs(dr.dot(surface.normal, direction)))
        through = found & (random.next_float32(found) >= dr.maximum(surface.opacity, dr.max(fresnel)))
        solid = found & ~through

        mirrored = mi.Color3f(surface.albedo) * surface.metallic
        seen = dr.select((surface.metallic > 0.5) & (surface.roughness < 0.1), 0.0, 1.0)
        record = first & solid
        albedo = dr.select(record, dr.select(seen > 0, surface.albedo, mirrored), albedo)
        normal = dr.select(record, surface.normal, normal)
        first &= ~solid

        light = self.direct(surface, direction, pick_light, light_u, light_v, solid)
        light += self.sunlight(surface, direction, turn_u, turn_v, solid)
        light = dr.select(early, light, dr.minimum(light, _BRIGHTEST))
        radiance += dr.select(solid, weight * light, 0)

        glossy = (surface.roughness < _SMOOTH) | (surface.metallic > 0.5)
        diffuse = surface.scattered
        share = dr.max(fresnel) / dr.maximum(dr.max(fresnel) + dr.max(diffuse), 1e-4)
        share = dr.select(glossy, dr.maximum(share, surface.metallic), 0)
        reflected = pick_lobe < share
        onward, factor = self.onward(surface, direction, reflected, turn_u, turn_v)
        factor = dr.select(reflected, fresnel / dr.maximum(share, 1e-4), diffuse / dr.maximum(1 - share, 1e-4))
        tint = dr.sqrt(surface.albedo)
        weight *= dr.select(through, tint, factor)
        scatterings += dr.select(solid & ~(reflected & (surface.roughness < 0.1)), mi.UInt32(1), 0)
        segment += 1

        ended = solid & ((scatterings >= _SCATTERINGS) | (segment >= _SEGMENTS))
        radiance += dr.select(ended, weight * mi.Color3f(self.constant(12)), 0)
        side = dr.select(through, -1.0, 1.0)
        origin = mi.Point3f(surface.position + surface.face_normal * (side * _EPSILON))
        direction = dr.select(through, direction, onward)
        sees_lights = dr.select(through, sees_lights, reflected & (surface.roughness < _SMOOTH))
        sensible = through | (dr.dot(onward, surface.face_normal) > 0)
        active = found & ~ended & sensible & (segment < _SEGMENTS)
        return (
            active, segment, scatterings, origin, direction, weight, radiance, random, sees_lights, first,
            albedo, normal, coverage,
        )  # fmt: skip

    def surface(self, hit: Array, origin: Array, direction: Array, active: Array) -> _Surface:
        """Look up everything about the met point."""
        four, face = self.vector, hit.prim_index
        a, b, c, d = (dr.gather(four, self.corners, face * 4 + k, active) for k in range(4))
        plane = dr.gather(four, self.face_normals, face, active)
        u, v = hit.prim_uv.x, hit.prim_uv.y
        w = 1 - u - v
        normal = dr.normalize(
            mi.Vector3f(a.x, a.y, a.z) * w + mi.Vector3f(a.w, b.x, b.y) * u + mi.Vector3f(b.z, b.w, c.x) * v
        )
        tile_u = c.y * w + c.w * u + d.y * v
        tile_v = c.z * w + d.x * u + d.z * v
        face_normal = mi.Vector3f(plane.x, plane.y, plane.z)
        face_normal = dr.select(dr.dot(face_normal, direction) > 0, -face_normal, face_normal)
        normal = dr.select(dr.dot(normal, face_normal) < 0, -normal, normal)
        finish = mi.UInt32(d.w)
        start, roughness, glow = (dr.gather(four, self.finishes, finish * 3 + k, active) for k in range(3))
        albedo = self.texel(mi.UInt32(start.x), start.y, tile_u, tile_v, active)
        return _Surface(
            position=origin + direction * hit.t,
            face_normal=face_normal,
            normal=normal,
            albedo=albedo,
            roughness=start.z,
            metallic=start.w,
            specular=roughness.x,
            opacity=roughness.y,
            sampled=roughness.z > 0.5,
            scattered=albedo * ((1 - start.w) * roughness.w),
            glow=mi.Color3f(glow.x, glow.y, glow.z) * albedo,
        )

    def texel(self, start: Array, side: Array, u: Array, v: Array, active: Array) -> Array:
        """Return the albedo of the nearest texel of a repeating tile."""
        u, v = u - dr.floor(u), v - dr.floor(v)
        last = side - 1
        column, row = mi.UInt32(dr.minimum(u * side, last)), mi.UInt32(dr.minimum(v * side, last))
        packed = dr.gather(mi.UInt32, self.atlas, start + row * mi.UInt32(side) + column, active)
        root = mi.Color3f(mi.Float(packed & 255), mi.Float((packed >> 8) & 255), mi.Float((packed >> 16) & 255))
        return dr.square(root / 255)

    def reflectance(self, surface: _Surface, cosine: Array) -> Array:
        """Schlick's Fresnel reflectance of gloss layer or metal."""
        head_on = dr.lerp(mi.Color3f(0.08 * surface.specular), surface.albedo, surface.metallic)
        grazing = dr.power(1 - dr.clip(cosine, 0, 1), 5) * (1 - surface.roughness)
        return head_on + (1 - head_on) * grazing

    def shade(self, surface: _Surface, direction: Array, to_light: Array) -> Array:
        """Return BRDF times π times the cosine at the surface; GGX highlight (Walter et al. 2007)."""
        cosine = dr.maximum(dr.dot(surface.normal, to_light), 0)
        facing = dr.maximum(-dr.dot(surface.normal, direction), 1e-3)
        half = dr.normalize(to_light - direction)
        alpha = dr.maximum(dr.square(surface.roughness), 0.02)
        squared = dr.square(alpha)
        peak = dr.square(dr.dot(surface.normal, half)) * (squared - 1) + 1
        spread = squared / dr.square(peak)
        k = alpha * 0.5
        visible = 0.25 / ((facing * (1 - k) + k) * (cosine * (1 - k) + k))
        highlight = self.reflectance(surface, dr.dot(to_light, half)) * (spread * visible)
        highlight = dr.select(surface.roughness < _SMOOTH, 0, highlight)
        return (surface.scattered + highlight) * cosine

    def direct(self, surface: _Surface, direction: Array, pick: Array, u: Array, v: Array, active: Array) -> Array:
        """Return the light from one point on a glowing triangle picked by power."""
        slot = dr.minimum(mi.UInt32(pick * mi.Float(self.slot_count)), self.slot_count - 1)
        light = dr.gather(mi.UInt32, self.slots, slot, active)
        a, b, c, d = (dr.gather(self.vector, self.lights, light * 4 + k, active) for k in range(4))
        root = dr.sqrt(u)
        point = (
            mi.Vector3f(a.x, a.y, a.z)
            + mi.Vector3f(b.x, b.y, b.z) * (1 - root)
            + mi.Vector3f(c.x, c.y, c.z) * (root * v)
        )
        offset = point - mi.Vector3f(surface.position)
        squared = dr.maximum(dr.squared_norm(offset), 1e-4)
        distance = dr.sqrt(squared)
        to_light = offset / distance
        cosine = dr.abs(dr.dot(to_light, mi.Vector3f(d.x, d.y, d.z)))
        shaded = self.shade(surface, direction, to_light)
        strength = cosine * d.w / (squared * dr.pi)
        useful = active & (dr.dot(to_light, surface.face_normal) > 0) & (dr.max(shaded) * strength > 1e-5)
        lit = self.unblocked(surface, to_light, distance, useful)
        return dr.select(lit, shaded * mi.Color3f(a.w, b.w, c.w) * strength, 0)

    def sunlight(self, surface: _Surface, direction: Array, u: Array, v: Array, active: Array) -> Array:
        """Return the sun's light where its ray leaves the room through the unseen window."""
        towards = self.constant(23)
        wobble = mi.Vector3f(u - 0.5, v - 0.5, u + v - 1) * 0.035
        to_sun = dr.normalize(towards + wobble)
        plane, y0, z0, y1, z1 = (self.scalar(18 + k) for k in range(5))
        distance = (plane - surface.position.x) / to_sun.x
        y = surface.position.y + to_sun.y * distance
        z = surface.position.z + to_sun.z * distance
        across, along = (y - y0) / (y1 - y0), (z - z0) / (z1 - z0)
        opening = (across > 0) & (across < 1) & (along > 0) & (along < 1) & (distance > 0)
        bars = (dr.abs(across - 0.5) < 0.03) | (dr.abs(along - 0.5) < 0.025)
        irradiance = mi.Color3f(self.constant(26))
        useful = active & opening & ~bars & (dr.max(irradiance) > 0)
        useful &= dr.dot(to_sun, surface.face_normal) > 0
        lit = self.unblocked(surface, to_sun, distance - 0.03, useful)
        return dr.select(lit, self.shade(surface, direction, to_sun) * irradiance, 0)

    def unblocked(self, surface: _Surface, towards: Array, distance: Array, active: Array) -> Array:
        """Return where nothing opaque stands between a surface and a point in a direction."""
        ray = mi.Ray3f(mi.Point3f(surface.position + surface.face_normal * _EPSILON), towards)
        ray.maxt = distance * (1 - 1e-3)
        return active & ~self.shadow.ray_test(ray, coherent=False, active=active)

    def onward(self, surface: _Surface, direction: Array, reflected: Array, u: Array, v: Array) -> tuple[Array, Array]:
        """Return the next direction: about the mirrored one, or spread by the cosine."""
        squared = dr.square(dr.square(surface.roughness))
        cosine = dr.sqrt((1 - u) / (1 + (squared - 1) * u))
        sine = dr.safe_sqrt(1 - dr.square(cosine))
        sin_turn, cos_turn = dr.sincos(2 * dr.pi * v)
        frame = mi.Frame3f(surface.normal)
        half = frame.to_world(mi.Vector3f(sine * cos_turn, sine * sin_turn, cosine))
        mirrored = direction - 2 * dr.dot(direction, half) * half
        radius, height = dr.sqrt(u), dr.safe_sqrt(1 - u)
        scattered = frame.to_world(mi.Vector3f(radius * cos_turn, radius * sin_turn, height))
        return dr.select(reflected, mirrored, scattered), reflected
