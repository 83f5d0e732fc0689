"""Find the main object of a photograph with GrabCut, and say whether its mask can be trusted."""

from dataclasses import dataclass

import numpy as np

from retouch.datagen.photos.colour import to_lab
from retouch.datagen.photos.opencv import cv2

SEARCH_SIDE = 160
BORDER = 0.04
BACKGROUND_COLOURS = 5
SMALLEST_BACKGROUND_SHARE = 0.06
SEED_THRESHOLDS = (0.35, 0.6)
SEARCH_ROUNDS = 4
REFINE_ROUNDS = 2
BAND = 5
CONTRAST_REACH = 3
ENOUGH_CONTRAST = 9.0

LEAST_AREA, MOST_AREA = 0.10, 0.75
LEAST_EXTENT, LEAST_LONGER_EXTENT = 0.30, 0.45
MOST_BORDER = 0.06
LEAST_SOLIDITY = 0.62
LEAST_MAIN_PART = 0.97
LEAST_STABILITY = 0.95
LEAST_EDGE = 0.94
LEAST_SHARPNESS = 0.54
SHARP_REACH, SOFT_REACH = 1, 6
TELLING_STEP, TELLING_SHARE = 15.0, 0.3
MOST_ROUGHNESS = 1.22
MOST_LEFT_OUT = 0.05
UNLIKE_BACKGROUND = 15.0


@dataclass(frozen=True, kw_only=True)
class ObjectMask:
    """Where the main object is: `mask` (H, W) bool, and the measures that decide whether to trust it.

    `area` and `border` are the shares of the picture and of its border that the mask covers; `solidity` is its
    area over its convex hull's; `main_part` the share of its largest part; `stability` the overlap (IoU) of
    two searches that started differently; `edge` the share of its outline that runs along a change of colour;
    `sharpness` how much of the step in lightness across the outline happens within three pixels; `roughness`
    the outline's length over that of the smoothed mask; `left_out` the area around the mask that looks neither
    like the background nor belongs to the mask, over the mask's; `extent` the shares of the picture's height
    and width that the mask spans.
    """

    mask: np.ndarray
    area: float
    border: float
    solidity: float
    main_part: float
    stability: float
    edge: float
    sharpness: float
    roughness: float
    left_out: float
    extent: tuple[float, float]

    def faults(self) -> tuple[str, ...]:
        """The measures that fail, empty where the mask can be trusted."""
        checks = {
            "area": LEAST_AREA <= self.area <= MOST_AREA,
            "border": self.border <= MOST_BORDER,
            "solidity": self.solidity >= LEAST_SOLIDITY,
            "main_part": self.main_part >= LEAST_MAIN_PART,
            "stability": self.stability >= LEAST_STABILITY,
            "edge": self.edge >= LEAST_EDGE,
            "sharpness": self.sharpness >= LEAST_SHARPNESS,
            "roughness": self.roughness <= MOST_ROUGHNESS,
            "left_out": self.left_out <= MOST_LEFT_OUT,
            "extent": min(self.extent) >= LEAST_EXTENT and max(self.extent) >= LEAST_LONGER_EXTENT,
        }
        return tuple(name for name, passed in checks.items() if not passed)

    @property
    def trusted(self) -> bool:
        """Whether every measure passes."""
        return not self.faults()


def find_object(image: np.ndarray) -> ObjectMask:
    """Find the main object of `image` (H, W, 3) uint8 sRGB; the same picture gives the same mask.

    Two searches on a small copy start from differently strict seeds; their agreement is the mask's stability,
    and the first one is refined along its outline at full size.
    """
    height, width = image.shape[:2]
    scale = min(1.0, SEARCH_SIDE / min(height, width))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    saliency = _saliency(_lab_bytes(small))
    wide, strict = (_search(small, saliency > threshold) for threshold in SEED_THRESHOLDS)
    if not wide.any():
        return _measure(image, np.zeros((height, width), bool), main_part=0.0, stability=0.0)
    rough = cv2.resize(wide.astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR).astype(bool)
    refined = _fill_prints(image, _refine(image, rough))
    main, main_part = _largest_part(refined)
    return _measure(image, _smooth(main), main_part=main_part, stability=_overlap(wide, strict))


def _lab_bytes(image: np.ndarray) -> np.ndarray:
    return to_lab(image.astype(np.float32) / 255)


def _border(shape: tuple[int, ...], share: float) -> np.ndarray:
    height, width = shape[:2]
    thickness = max(2, round(share * min(height, width)))
    border = np.ones((height, width), bool)
    border[thickness:-thickness, thickness:-thickness] = False
    return border


def _background_colours(lab: np.ndarray) -> np.ndarray:
    """The main colours (K, 3) of the picture's border, in Lab."""
    samples = lab[_border(lab.shape, BORDER)].astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0)
    cv2.setRNGSeed(0)
    start = np.zeros((len(samples), 1), np.int32)
    _, labels, centres = cv2.kmeans(
        samples, BACKGROUND_COLOURS, start, criteria, attempts=1, flags=cv2.KMEANS_PP_CENTERS
    )
    shares = np.bincount(labels.ravel(), minlength=BACKGROUND_COLOURS) / len(labels)
    return centres[shares > SMALLEST_BACKGROUND_SHARE]


def _saliency(lab: np.ndarray) -> np.ndarray:
    """How unlike the border's colours and how central every pixel is, (H, W), about 1 at the most."""
    colours = _background_colours(lab)
    distance = np.min([np.linalg.norm(lab - colour, axis=2) for colour in colours], axis=0)
    distance = cv2.GaussianBlur(distance.astype(np.float32), (0, 0), 1.3)
    height, width = distance.shape
    down, across = np.mgrid[0:height, 0:width]
    centred = ((across / width - 0.5) / 0.33) ** 2 + ((down / height - 0.5) / 0.38) ** 2
    saliency = distance * np.exp(-0.5 * centred)
    return saliency / (np.percentile(saliency, 99) + 1e-6)


def _search(image: np.ndarray, seed: np.ndarray) -> np.ndarray:
    labels = np.where(seed, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[_border(labels.shape, 0.01)] = cv2.GC_BGD
    return _grab_cut(image, labels, SEARCH_ROUNDS)


def _refine(image: np.ndarray, rough: np.ndarray) -> np.ndarray:
    """Search again, at full size, only in a band along the outline of `rough`."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND + 1, 2 * BAND + 1))
    inner = cv2.erode(rough.astype(np.uint8), kernel)
    outer = cv2.dilate(rough.astype(np.uint8), kernel)
    labels = np.where(rough, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inner == 1] = cv2.GC_FGD
    labels[outer == 0] = cv2.GC_BGD
    return _grab_cut(image, labels, REFINE_ROUNDS)


def _grab_cut(image: np.ndarray, labels: np.ndarray, rounds: int) -> np.ndarray:
    foreground = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if foreground.sum() < 20 or (~foreground).sum() < 20:
        return foreground
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    cv2.grabCut(bgr, labels, (0, 0, 1, 1), *models, rounds, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _fill_prints(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill holes that are small or unlike the background: prints belong to the object, gaps do not."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    filled = mask.copy()
    if count < 2:
        return filled
    lab = _lab_bytes(image)
    colours = _background_colours(lab)
    for part in range(1, count):
        left, top, width, height, area = statistics[part]
        inside = left > 0 and top > 0 and left + width < mask.shape[1] and top + height < mask.shape[0]
        if not inside:
            continue
        hole = labels == part
        likeness = np.min(np.linalg.norm(colours - lab[hole].mean(axis=0), axis=1))
        if area < 0.002 * mask.size or likeness > 14:
            filled |= hole
    return filled


def _largest_part(mask: np.ndarray) -> tuple[np.ndarray, float]:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return mask, 0.0
    areas = statistics[1:, cv2.CC_STAT_AREA]
    return labels == 1 + int(areas.argmax()), float(areas.max() / areas.sum())


def _smooth(mask: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.2) > 0.5


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))


def _measure(image: np.ndarray, mask: np.ndarray, *, main_part: float, stability: float) -> ObjectMask:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea) if outlines else np.zeros((1, 1, 2), np.int32)
    hull = cv2.contourArea(cv2.convexHull(outline))
    border = _border(mask.shape, 0.01)
    return ObjectMask(
        mask=mask,
        area=float(mask.mean()),
        border=float(mask[border].mean()),
        solidity=float(cv2.contourArea(outline) / max(hull, 1.0)),
        main_part=main_part,
        stability=stability,
        edge=_edge_share(image, mask),
        sharpness=_sharpness(image, mask),
        roughness=_roughness(mask, cv2.arcLength(outline, True)),
        left_out=_left_out(image, mask),
        extent=(float(mask.any(axis=1).mean()), float(mask.any(axis=0).mean())),
    )


def _edge_share(image: np.ndarray, mask: np.ndarray) -> float:
    """The share of the outline whose colours a little inside and a little outside differ visibly."""
    outline = _outline(mask)
    if not outline.any():
        return 0.0
    step = _step_across(_lab_bytes(image), mask, CONTRAST_REACH)[outline]
    return float((np.linalg.norm(step, axis=1) > ENOUGH_CONTRAST).mean())


def _sharpness(image: np.ndarray, mask: np.ndarray) -> float:
    """1 where lightness tells nothing: JPEG blurs chroma anyway, so that chroma cannot tell."""
    lab, outline = _lab_bytes(image), _outline(mask)
    near, far = (_step_across(lab, mask, reach)[outline, 0] for reach in (SHARP_REACH, SOFT_REACH))
    telling = np.abs(far) > TELLING_STEP
    if not telling.any() or telling.mean() < TELLING_SHARE:
        return 1.0
    return float(np.median(np.abs(near[telling])) / np.median(np.abs(far[telling])))


def _outline(mask: np.ndarray) -> np.ndarray:
    """The pixels (H, W) on either side of the mask's outline, away from the picture's border."""
    reach = np.ones((3, 3), np.uint8)
    solid = mask.astype(np.uint8)
    return (cv2.dilate(solid, reach) > cv2.erode(solid, reach)) & ~_border(mask.shape, 0.01)


def _step_across(lab: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """The mean colour inside less that outside the mask (H, W, 3), within `reach` pixels of every pixel."""
    return _local_mean(lab, mask, reach) - _local_mean(lab, ~mask, reach)


def _local_mean(lab: np.ndarray, where: np.ndarray, reach: int) -> np.ndarray:
    size, weight = (2 * reach + 1, 2 * reach + 1), where.astype(np.float32)
    return cv2.blur(lab * weight[:, :, None], size) / np.maximum(cv2.blur(weight, size)[:, :, None], 1e-6)


def _left_out(image: np.ndarray, mask: np.ndarray) -> float:
    lab = cv2.GaussianBlur(_lab_bytes(image), (0, 0), 1.5)
    distance = np.min([np.linalg.norm(lab - colour, axis=2) for colour in _background_colours(lab)], axis=0)
    reach = np.ones((5, 5), np.uint8)
    near = cv2.dilate(mask.astype(np.uint8), reach, iterations=8) > cv2.dilate(mask.astype(np.uint8), reach)
    strange = (near & (distance > UNLIKE_BACKGROUND)).astype(np.uint8)
    solid = cv2.morphologyEx(strange, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    return float(solid.sum() / max(1, mask.sum()))


def _roughness(mask: np.ndarray, length: float) -> float:
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 4) > 0.5
    outlines, _ = cv2.findContours(smooth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    smoothed = max((cv2.arcLength(outline, True) for outline in outlines), default=1.0)
    return float(length / max(smoothed, 1.0))
