"""Designs and requests for tests."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from retouch.core.region_settings import RegionSettings
from retouch.core.settings import EditSettings
from retouch.designs.design import Design, begun
from retouch.designs.request import Request, Shown, Where

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
ROOT_IMAGE = "0" * 64


def new_design() -> Design:
    """A design of its first picture alone."""
    return begun("root", image=ROOT_IMAGE, at=AT)


def asked(instruction: str, *, seed: int | None = None, steps: int | None = None) -> Request:
    """A plain request."""
    return Request(instruction=instruction, settings=EditSettings(seed=seed, steps=steps))


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
settings = st.builds(
    EditSettings,
    steps=st.none() | st.integers(1, 1000),
    text_guidance=st.none() | st.floats(0, 100),
    negative=st.none() | words,
    seed=st.none() | st.integers(0, 2**63 - 1),
    guidance_interval=st.none() | st.just((0.0, 0.5)),
    region=st.none() | st.builds(RegionSettings, grow=st.none() | st.integers(-5, 5)),
)
regions = st.one_of(
    st.just(Where(kind="auto")),
    st.builds(Where, kind=st.just("mask"), upload=st.just("a mask"), invert=st.booleans()),
    st.builds(Where, kind=st.just("phrase"), phrase=words.filter(lambda text: bool(text.strip()))),
    st.builds(Where, kind=st.just("point"), numbers=st.tuples(st.integers(0, 99), st.floats(0, 99))),
)
requests = st.builds(
    Request,
    instruction=words,
    model=st.none() | words,
    settings=settings,
    region=st.none() | regions,
    references=st.lists(st.builds(Shown, upload=words, weight=st.floats(0, 2)), max_size=3).map(tuple),
)
