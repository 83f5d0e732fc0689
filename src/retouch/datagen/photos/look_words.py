"""What people call every look: nouns, adjectives and whole commands, and how a caption tells of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LookWords:
    """Words for one look.

    `nouns` fit "turn this into ...", `adjectives` fit "make it ...", `commands` stand alone; `caption` holds
    "{subject}", such as "a navy shirt".
    """

    nouns: tuple[str, ...] = ()
    adjectives: tuple[str, ...] = ()
    commands: tuple[str, ...]
    caption: str


LOOK_WORDS: dict[str, LookWords] = {
    "black_and_white": LookWords(
        nouns=("a black and white photo", "a black-and-white picture", "a monochrome photo", "a grayscale image"),
        adjectives=("black and white", "monochrome", "greyscale"),
        commands=(
            "remove all colour from the photo",
            "take the colours out",
            "convert to black and white",
            "desaturate it completely",
        ),
        caption="a black and white photo of {subject}",
    ),
    "sepia": LookWords(
        nouns=("a sepia photo", "a sepia-toned picture", "a brown-toned old print"),
        adjectives=("sepia", "sepia toned"),
        commands=("apply a sepia tone", "add a sepia filter", "tone it in sepia", "give the photo sepia tones"),
        caption="a sepia photo of {subject}",
    ),
    "night": LookWords(
        nouns=("a night shot", "a night scene", "a photo taken at night", "a picture in the moonlight"),
        adjectives=("as if taken at night", "like night"),
        commands=("make it night", "turn day into night", "change the time to night", "let night fall"),
        caption="a photo of {subject} at night",
    ),
    "warm": LookWords(
        nouns=("a warm picture", "a photo with warm colours"),
        adjectives=("warmer", "warmer in tone"),
        commands=(
            "warm up the colours",
            "add a warm filter",
            "use a warmer white balance",
            "shift the tones towards warm",
            "give it warmer light",
        ),
        caption="a warm-toned photo of {subject}",
    ),
    "cool": LookWords(
        nouns=("a cool picture with blue tones", "a cold-toned photo"),
        adjectives=("cooler", "colder in tone", "bluer"),
        commands=(
            "cool down the colours",
            "add a cool filter",
            "use a cooler white balance",
            "shift the tones towards blue",
            "give it a cold light",
        ),
        caption="a cool-toned photo of {subject}",
    ),
    "faded": LookWords(
        nouns=("a faded photo", "a washed-out picture", "a bleached old snapshot"),
        adjectives=("faded", "washed out", "bleached by the sun"),
        commands=("fade the photo", "let the colours fade", "wash out the picture"),
        caption="a faded photo of {subject}",
    ),
    "pencil_sketch": LookWords(
        nouns=("a pencil sketch", "a pencil drawing", "a sketch", "a graphite drawing"),
        adjectives=("like a pencil sketch", "hand-drawn in pencil"),
        commands=("draw it in pencil", "sketch this picture", "redraw it as a sketch"),
        caption="a pencil sketch of {subject}",
    ),
    "blurred_background": LookWords(
        nouns=("a portrait shot with a blurred background", "a picture with a shallow depth of field"),
        commands=(
            "blur the background",
            "put the background out of focus",
            "make the background blurry",
            "defocus everything behind it",
            "add bokeh to the background",
            "soften the background",
        ),
        caption="a photo of {subject} with a blurred background",
    ),
    "dramatic": LookWords(
        nouns=("a dramatic photo", "a high-contrast picture"),
        adjectives=("more dramatic", "dramatic", "more contrasty"),
        commands=("increase the contrast a lot", "add drama", "raise the contrast", "give it high contrast"),
        caption="a dramatic high-contrast photo of {subject}",
    ),
    "brighter": LookWords(
        adjectives=("brighter", "lighter", "much brighter"),
        commands=(
            "brighten the photo",
            "increase the exposure",
            "lighten it up",
            "add more light",
            "it is too dark, fix that",
            "turn up the brightness",
        ),
        caption="a bright photo of {subject}",
    ),
    "darker": LookWords(
        adjectives=("darker", "dimmer", "much darker"),
        commands=(
            "darken the photo",
            "lower the exposure",
            "dim the light",
            "use less light",
            "it is too bright, fix that",
            "turn down the brightness",
        ),
        caption="a dark photo of {subject}",
    ),
    "vintage": LookWords(
        nouns=("a vintage photo", "a retro photograph", "a picture from the seventies", "an old film photo"),
        adjectives=("vintage", "retro", "like an old photograph"),
        commands=("add a vintage filter", "age the photo", "give it a retro look"),
        caption="a vintage photo of {subject}",
    ),
    "watercolour": LookWords(
        nouns=("a watercolour painting", "a watercolor", "a watercolour", "an aquarelle"),
        adjectives=("like a watercolour", "painted in watercolour"),
        commands=("paint it in watercolour", "paint this with watercolors", "redo it in watercolours"),
        caption="a watercolour painting of {subject}",
    ),
    "golden_hour": LookWords(
        nouns=("a golden hour shot", "a photo in evening sun", "a sunset photo"),
        adjectives=("as if taken at sunset", "sunlit in gold"),
        commands=(
            "add golden hour light",
            "make it golden hour",
            "bathe it in golden evening light",
            "let the setting sun shine on it",
        ),
        caption="a photo of {subject} in golden hour light",
    ),
    "foggy": LookWords(
        nouns=("a foggy scene", "a misty picture", "a photo taken in fog"),
        adjectives=("foggy", "misty", "hazy"),
        commands=("add fog", "cover it in mist", "fill the scene with fog", "let some fog roll in"),
        caption="a photo of {subject} in fog",
    ),
    "snowy": LookWords(
        nouns=("a snowy scene", "a winter picture with falling snow"),
        adjectives=("snowy", "wintry"),
        commands=("make it snow", "add falling snow", "let it snow", "add snowflakes", "put it in a snowfall"),
        caption="a photo of {subject} in falling snow",
    ),
    "negative": LookWords(
        nouns=("a negative", "a photo negative", "a film negative"),
        adjectives=("inverted",),
        commands=("invert the colours", "invert the image", "show the negative", "reverse all colors"),
        caption="a negative of a photo of {subject}",
    ),
    "vivid": LookWords(
        nouns=("a vivid picture", "a photo with vibrant colours"),
        adjectives=("more vivid", "more colourful", "more vibrant", "more saturated"),
        commands=("boost the colours", "increase the saturation", "make the colors pop", "intensify the colours"),
        caption="a vivid photo of {subject}",
    ),
    "muted": LookWords(
        nouns=("a picture with muted colours",),
        adjectives=("less colourful", "more muted", "less saturated"),
        commands=(
            "mute the colours",
            "tone down the colours",
            "reduce the saturation",
            "lower the saturation",
            "calm the colors down",
        ),
        caption="a photo of {subject} in muted colours",
    ),
    "pastel": LookWords(
        nouns=("a pastel picture", "a photo in pastel colours"),
        adjectives=("pastel", "soft and pastel coloured"),
        commands=("use pastel colours", "give it pastel tones", "change all colors to pastels"),
        caption="a photo of {subject} in pastel colours",
    ),
    "cartoon": LookWords(
        nouns=("a cartoon", "a comic drawing", "a comic book panel"),
        adjectives=("like a cartoon", "cartoonish"),
        commands=("cartoonize it", "draw it as a cartoon", "give it a comic book look"),
        caption="a cartoon of {subject}",
    ),
    "blueprint": LookWords(
        nouns=("a cyanotype", "a blue monochrome print", "a blueprint"),
        adjectives=("all blue", "blue and white"),
        commands=("make a cyanotype of it", "tone the whole picture blue", "print it in blue only"),
        caption="a cyanotype of {subject}",
    ),
    "pixelated": LookWords(
        nouns=("a mosaic of pixels", "pixel art", "an 8-bit picture"),
        adjectives=("pixelated", "blocky"),
        commands=("pixelate it", "pixelate the image", "show big pixels", "add a mosaic effect"),
        caption="a pixelated picture of {subject}",
    ),
    "dreamy": LookWords(
        nouns=("a dreamy photo", "a soft-focus picture"),
        adjectives=("dreamy", "softly glowing"),
        commands=("add a dreamy glow", "add a soft glow", "apply soft focus", "give it a dream-like haze"),
        caption="a dreamy soft-focus photo of {subject}",
    ),
    "duotone": LookWords(
        nouns=("a purple and orange duotone", "a duotone print", "a duotone poster"),
        adjectives=("duotone", "purple and orange"),
        commands=("apply a duotone", "use only purple and orange", "print it as a duotone"),
        caption="a purple and orange duotone of {subject}",
    ),
    "colour_splash": LookWords(
        nouns=("a colour splash photo", "a selective colour picture"),
        commands=(
            "make only the background black and white",
            "keep the colour of the main object only",
            "remove the colour from the background",
            "turn the background grey",
            "desaturate the background",
            "leave colour only where the object is",
        ),
        caption="a colour splash photo of {subject}",
    ),
    "spotlight": LookWords(
        nouns=("a spotlight shot", "a low-key photo"),
        commands=(
            "darken the background",
            "put a spotlight on the main object",
            "make the background dark",
            "make the background almost black",
            "light only the object",
            "let everything around it go dark",
        ),
        caption="a photo of {subject} against a dark background",
    ),
}
"""Words for every look of `looks.LOOKS`."""
