"""Every kind of the catalogue builds into sound, deterministic geometry of the stated size and finish."""

import numpy as np
import pytest
from numpy.typing import NDArray

from retouch.scenes.catalogue import KINDS
from retouch.scenes.objects import build, builders
from retouch.scenes.palette import COLOURS
from retouch.scenes.parts import Finish, Mesh, Part
from retouch.scenes.room import Placed, Vector

VARIANTS = range(8)

# Glass, leaves, books and pictures rightly take more of these than their frame, pot or case does.
LEAST_SHARE = {"window": 0.3, "mirror": 0.25, "painting": 0.2, "plant": 0.08, "bookshelf": 0.25}


def _placed(
    kind: str, variant: int = 0, *, colour: str = "red", material: str | None = None, end: float | None = None
) -> Placed:
    """Return an object of a kind, of a size drawn from its ranges or at a fraction `end` along them."""
    facts, chance = KINDS[kind], np.random.default_rng(variant)
    ranges = (facts.width, facts.depth, facts.height)
    shares = [float(chance.random()) if end is None else end for _ in ranges]
    width, depth, height = (low + (high - low) * share for (low, high), share in zip(ranges, shares, strict=True))
    chosen = material or facts.materials[variant % len(facts.materials)]
    size: Vector = (width, depth, height)
    return Placed(id=1, kind=kind, colour=colour, material=chosen, position=(0, 0, 0), size=size, variant=variant)


def _bounds(parts: tuple[Part, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    return vertices.min(axis=0), vertices.max(axis=0)


def _outline(parts: tuple[Part, ...]) -> NDArray[np.float32]:
    """Return the coordinates of all vertices, each axis in order of size."""
    return np.sort(np.concatenate([part.mesh.vertices for part in parts]), axis=0)


def _areas(mesh: Mesh) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each triangle's area and its geometric unit normal."""
    first, second, third = (mesh.vertices[mesh.faces[:, index]].astype(np.float64) for index in range(3))
    crossed = np.cross(second - first, third - first)
    length = np.linalg.norm(crossed, axis=1)
    return length / 2, crossed / np.maximum(length, 1e-30)[:, None]


def test_there_is_a_builder_for_every_kind_and_no_other() -> None:
    assert set(builders()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [None, 0.0, 1.0])
def test_an_object_fills_its_size_in_its_own_frame(kind: str, end: float | None) -> None:
    for variant in VARIANTS:
        placed = _placed(kind, variant, end=end)
        low, high = _bounds(build(placed))
        width, depth, height = placed.size
        mount = KINDS[kind].mount
        back = 0 if mount == "wall" else depth / 2
        top = 0 if mount == "ceiling" else height
        assert low == pytest.approx([-width / 2, back - depth, top - height], abs=1e-3)
        assert high == pytest.approx([width / 2, back, top], abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_meshes_are_sound(kind: str) -> None:
    for variant in VARIANTS:
        parts = build(_placed(kind, variant))
        assert sum(len(part.mesh.faces) for part in parts) <= 6000
        for part in parts:
            mesh = part.mesh
            count = len(mesh.vertices)
            assert mesh.vertices.shape == mesh.normals.shape == (count, 3)
            assert mesh.uv.shape == (count, 2)
            assert [mesh.vertices.dtype, mesh.normals.dtype, mesh.uv.dtype] == [np.float32] * 3
            assert mesh.faces.dtype == np.int32
            assert mesh.faces.min() >= 0
            assert mesh.faces.max() < count
            assert np.isfinite(mesh.vertices).all()
            assert np.isfinite(mesh.uv).all()
            assert np.linalg.norm(mesh.normals, axis=1) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_faces_wind_the_way_their_normals_point(kind: str) -> None:
    for variant in VARIANTS:
        for part in build(_placed(kind, variant)):
            area, geometric = _areas(part.mesh)
            shading = part.mesh.normals[part.mesh.faces].mean(axis=1)
            agreement = np.einsum("ij,ij->i", geometric, shading)
            assert (area[agreement < 0.2].sum()) <= 0.005 * area.sum()


@pytest.mark.parametrize("kind", KINDS)
def test_normals_point_out_of_the_body(kind: str) -> None:
    """By the divergence theorem a body whose faces look outwards encloses a positive volume."""
    for variant in VARIANTS:
        parts = build(_placed(kind, variant))
        low, high = _bounds(parts)
        volume = 0.0
        for part in parts:
            area, normal = _areas(part.mesh)
            middle = part.mesh.vertices[part.mesh.faces].mean(axis=1) - (low + high) / 2
            volume += float((np.einsum("ij,ij->i", middle, normal) * area).sum() / 3)
        assert 0 < volume < 2.5 * float(np.prod(high - low))


@pytest.mark.parametrize("kind", KINDS)
def test_the_main_finish_has_its_share_of_the_surface(kind: str) -> None:
    for variant in VARIANTS:
        placed = _placed(kind, variant)
        main = Finish(material=placed.material, colour=COLOURS["red"])
        areas = [(part.finish, float(_areas(part.mesh)[0].sum())) for part in build(placed)]
        share = sum(area for finish, area in areas if finish == main) / sum(area for _, area in areas)
        assert share >= LEAST_SHARE.get(kind, 0.35), (variant, share)


@pytest.mark.parametrize("kind", KINDS)
def test_building_is_deterministic(kind: str) -> None:
    once, again = build(_placed(kind, 3)), build(_placed(kind, 3))
    assert [part.finish for part in once] == [part.finish for part in again]
    for one, other in zip(once, again, strict=True):
        assert np.array_equal(one.mesh.vertices, other.mesh.vertices)
        assert np.array_equal(one.mesh.faces, other.mesh.faces)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recolouring_keeps_the_shape(kind: str) -> None:
    """Every vertex stays where it is, whichever part it has moved to."""
    for variant in VARIANTS:
        red, blue = build(_placed(kind, variant)), build(_placed(kind, variant, colour="navy"))
        assert np.array_equal(_outline(red), _outline(blue))


HARD_KINDS = [kind for kind, facts in KINDS.items() if not {"fabric", "leather"} & set(facts.materials)]


@pytest.mark.parametrize("kind", HARD_KINDS)
def test_a_change_of_hard_material_keeps_the_shape(kind: str) -> None:
    shapes = [_outline(build(_placed(kind, 5, material=material))) for material in KINDS[kind].materials]
    for other in shapes[1:]:
        assert np.array_equal(shapes[0], other)


@pytest.mark.parametrize("kind", [kind for kind, facts in KINDS.items() if facts.carries])
def test_what_carries_is_flat_on_top(kind: str) -> None:
    """Something stands on it: most of the plan lies at the height of the carrying surface."""
    for variant in VARIANTS:
        placed = _placed(kind, variant)
        surface = placed.size[2] * KINDS[kind].surface
        level = 0.0
        for part in build(placed):
            area, normal = _areas(part.mesh)
            height = part.mesh.vertices[part.mesh.faces][..., 2].min(axis=1)
            level += float(area[(normal[:, 2] > 0.99) & (height > surface - 0.003)].sum())
        assert level > 0.85 * placed.size[0] * placed.size[1]


@pytest.mark.parametrize("kind", KINDS)
def test_variants_differ(kind: str) -> None:
    sums = {
        round(float(sum(np.abs(part.mesh.vertices).sum() for part in build(_placed(kind, v, end=0.5)))), 3)
        for v in range(8)
    }
    assert len(sums) >= 2


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        build(Placed(id=1, kind="spaceship", colour="red", material="metal", position=(0, 0, 0), size=(1, 1, 1)))
