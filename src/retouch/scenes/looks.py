"""How light meets each finish: roughness, gloss, metalness, opacity and what of it glows."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Look:
    """A finish apart from its colour.

    `roughness` in [0, 1] of the gloss layer, `specular` its reflectance in units of 0.08 at normal
    incidence (0.5 is plastic), `metallic` and `opacity` in [0, 1], `scattering` the share of light
    beneath the gloss that is not swallowed. `glows` names the radiance of the mood that the finish
    emits: "lamp", "shade", "sky", "ceiling" or none; a `broad` glow fills so much of
    the view that paths meet it by chance, others are aimed at.
    """

    roughness: float = 0.9
    specular: float = 0.2
    metallic: float = 0.0
    opacity: float = 1.0
    scattering: float = 1.0
    glows: str | None = None
    broad: bool = False


_MATT = Look()
_LOOKS: dict[str, Look] = {
    "wall tile": Look(roughness=0.12, specular=0.5),
    "floor tile": Look(roughness=0.2, specular=0.5),
    "floor marble": Look(roughness=0.14, specular=0.6),
    "planks": Look(roughness=0.38, specular=0.45),
    "skirting": Look(roughness=0.4, specular=0.4),
    "ceiling": Look(glows="ceiling", broad=True),
    "wood": Look(roughness=0.35, specular=0.45),
    "metal": Look(roughness=0.2, metallic=0.8, specular=0.5),
    "marble": Look(roughness=0.14, specular=0.6),
    "glass": Look(roughness=0.03, specular=1.6, opacity=0.12),
    "leather": Look(roughness=0.33, specular=1.0),
    "ceramic": Look(roughness=0.1, specular=0.6),
    "leaf": Look(roughness=0.4, specular=0.4),
    "screen": Look(roughness=0.07, specular=0.7),
    "lamp": Look(roughness=0.8, glows="lamp"),
    "lit fabric": Look(glows="shade"),
    "lit glass": Look(roughness=0.03, specular=1.0, opacity=0.55, glows="shade"),
    "mirror": Look(roughness=0.0, metallic=1.0),
    "picture": Look(roughness=0.6),
    "backdrop": Look(broad=True),
    "sky": Look(roughness=0.05, specular=0.4, scattering=0.0, glows="sky"),
}


def look(material: str) -> Look:
    """Return the look of a material or shell finish; those not listed are matt."""
    return _LOOKS.get(material, _MATT)
