"""The one shading model of all finishes: Lambert under a GGX gloss layer, or metal, after Walter et al. 2007."""

from dataclasses import dataclass
from typing import Any

import drjit as dr
import mitsuba as mi

_GLOSSY = 0.3
"""Below this roughness reflections are traced; above it only the highlights of the lights are shaded."""

Array = Any


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What rays have met: position, the face's and the shading normal towards the ray, the finish there.

    `scattered` is the albedo beneath the gloss, `glow` the emitted radiance, `sampled` whether that
    is among the lights aimed at.
    """

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

    def glossy(self) -> Array:
        """Return where reflections are traced."""
        return (self.roughness < _GLOSSY) | (self.metallic > 0.5)


def reflectance(surface: Surface, cosine: Array) -> Array:
    """Return Schlick's Fresnel reflectance of gloss layer or metal; the cosine's sign does not matter."""
    head_on = dr.lerp(mi.Color3f(0.08 * surface.specular), surface.albedo, surface.metallic)
    grazing = dr.power(1 - dr.clip(dr.abs(cosine), 0, 1), 5) * (1 - surface.roughness)
    return head_on + (1 - head_on) * grazing


def shade(surface: Surface, direction: Array, to_light: Array) -> Array:
    """Return π times the reflectance from `to_light` into −`direction`, times the cosine at the surface."""
    cosine = dr.maximum(dr.dot(surface.normal, to_light), 0)
    facing = dr.maximum(-dr.dot(surface.normal, direction), 1e-3)
    half = dr.normalize(to_light - direction)
    alpha = dr.maximum(dr.square(surface.roughness), 0.02)
    peak = dr.square(dr.dot(surface.normal, half)) * (dr.square(alpha) - 1) + 1
    visible = 0.25 / ((facing * (1 - alpha / 2) + alpha / 2) * (cosine * (1 - alpha / 2) + alpha / 2))
    highlight = reflectance(surface, dr.dot(to_light, half)) * (dr.square(alpha / peak) * visible)
    return (surface.scattered + dr.select(surface.roughness < _GLOSSY, 0, highlight)) * cosine


def onward(surface: Surface, direction: Array, reflected: Array, u: Array, v: Array) -> Array:
    """Return the next direction: mirrored at a GGX microfacet where `reflected`, else spread by the cosine."""
    squared = dr.square(dr.square(surface.roughness))
    cosine = dr.sqrt((1 - u) / (1 + (squared - 1) * u))
    sine = dr.safe_sqrt(1 - dr.square(cosine))
    sin_turn, cos_turn = dr.sincos(2 * dr.pi * v)
    frame = mi.Frame3f(surface.normal)
    half = frame.to_world(mi.Vector3f(sine * cos_turn, sine * sin_turn, cosine))
    radius = dr.sqrt(u)
    scattered = frame.to_world(mi.Vector3f(radius * cos_turn, radius * sin_turn, dr.safe_sqrt(1 - u)))
    return dr.select(reflected, direction - 2 * dr.dot(direction, half) * half, scattered)
