"""Who wears what: wardrobes by season and occasion, and how garments go together.

A wardrobe is a table of weights; a world names one.
"""

from dataclasses import dataclass, field

from synth.person.palettes import Weights
from synth.person.patterns import PATTERNS


@dataclass(frozen=True)
class Wardrobe:
    """Attributes: weights of tops, outers (worn over them, "" for none), bottoms, shoes, hats and bags ("" for none);
    shares of people with a mask, with an open umbrella, in bright colours, with their tops tucked in.
    """

    tops: Weights
    outers: Weights
    bottoms: Weights
    shoes: Weights
    hats: Weights = field(default_factory=lambda: {"": 9, "cap": 1})
    bags: Weights = field(
        default_factory=lambda: {"": 6, "backpack": 2, "crossbody": 1.2, "handbag": 1, "suitcase": 0.2}
    )
    mask: float = 0.04
    umbrella: float = 0.0
    bright: float = 0.25
    tucked: float = 0.15


WARDROBES = {
    "mixed": Wardrobe(
        tops={
            "tshirt": 5,
            "loose tshirt": 2,
            "v-neck": 1,
            "polo": 1.5,
            "tank": 0.7,
            "longsleeve": 3,
            "turtleneck": 0.8,
            "shirt": 3,
            "blouse": 1,
            "sweater": 2,
            "hoodie": 2.5,
            "dress": 1.2,
            "sundress": 0.4,
            "long dress": 0.4,
        },
        outers={
            "": 7,
            "jacket": 1.2,
            "bomber": 0.7,
            "zip hoodie": 0.9,
            "cardigan": 0.8,
            "blazer": 0.8,
            "denim jacket": 0.7,
            "leather jacket": 0.5,
            "vest": 0.4,
            "puffer": 0.6,
            "parka": 0.5,
            "coat": 0.5,
            "open coat": 0.5,
            "work vest": 0.1,
        },
        bottoms={
            "trousers": 3,
            "wide trousers": 1,
            "jeans": 4,
            "slim jeans": 3,
            "joggers": 1.5,
            "leggings": 1,
            "shorts": 1.6,
            "short shorts": 0.3,
            "skirt": 0.8,
            "mini skirt": 0.4,
            "midi skirt": 0.8,
            "long skirt": 0.3,
            "pencil skirt": 0.4,
        },
        shoes={
            "trainers": 5,
            "canvas shoes": 2.5,
            "high tops": 0.8,
            "leather shoes": 1.5,
            "loafers": 0.8,
            "flats": 1,
            "boots": 1.2,
            "high boots": 0.4,
            "sandals": 0.4,
        },
        hats={
            "": 16,
            "cap": 1.5,
            "beanie": 0.8,
            "bucket hat": 0.3,
            "hat": 0.3,
            "sun hat": 0.1,
            "headscarf": 0.6,
            "hood": 0.2,
        },
        umbrella=0.02,
    ),
    "summer": Wardrobe(
        tops={
            "tshirt": 7,
            "loose tshirt": 3,
            "v-neck": 1.5,
            "polo": 2,
            "tank": 2,
            "shirt": 1.2,
            "blouse": 1,
            "longsleeve": 0.6,
            "dress": 1.5,
            "sundress": 1.5,
            "long dress": 0.5,
        },
        outers={"": 14, "cardigan": 0.4, "denim jacket": 0.4, "work vest": 0.15},
        bottoms={
            "shorts": 5,
            "short shorts": 1,
            "jeans": 2.5,
            "slim jeans": 2,
            "trousers": 1.6,
            "wide trousers": 1,
            "joggers": 0.8,
            "leggings": 0.6,
            "skirt": 1.2,
            "mini skirt": 0.8,
            "midi skirt": 1,
            "long skirt": 0.4,
        },
        shoes={"trainers": 5, "canvas shoes": 4, "sandals": 2.5, "flats": 1.2, "loafers": 0.8, "leather shoes": 0.5},
        hats={"": 12, "cap": 2, "sun hat": 0.6, "bucket hat": 0.6, "hat": 0.4, "headscarf": 0.5},
        bright=0.38,
    ),
    "winter": Wardrobe(
        tops={"longsleeve": 3, "turtleneck": 2.5, "shirt": 1.5, "sweater": 4, "hoodie": 3, "tshirt": 0.5},
        outers={
            "": 0.6,
            "jacket": 2.5,
            "bomber": 0.8,
            "puffer": 3,
            "parka": 3,
            "coat": 2.5,
            "open coat": 1.2,
            "vest": 0.5,
            "leather jacket": 0.5,
        },
        bottoms={
            "jeans": 4,
            "slim jeans": 3,
            "trousers": 3.5,
            "wide trousers": 0.6,
            "joggers": 1.2,
            "leggings": 1,
            "midi skirt": 0.3,
            "long skirt": 0.3,
        },
        shoes={"boots": 4, "trainers": 3, "high tops": 1, "leather shoes": 1.5, "high boots": 1.5},
        hats={"": 6, "beanie": 3, "cap": 0.4, "hat": 0.4, "headscarf": 0.6, "hood": 1.0},
        mask=0.06,
        umbrella=0.03,
        bright=0.14,
        tucked=0.05,
    ),
    "autumn": Wardrobe(
        tops={
            "longsleeve": 3,
            "turtleneck": 1.5,
            "shirt": 2.5,
            "sweater": 3,
            "hoodie": 3,
            "tshirt": 2,
            "long dress": 0.5,
        },
        outers={
            "": 3,
            "jacket": 2,
            "bomber": 1,
            "zip hoodie": 1.2,
            "cardigan": 1.2,
            "denim jacket": 1,
            "leather jacket": 0.8,
            "vest": 0.7,
            "coat": 1,
            "open coat": 1.2,
            "blazer": 0.8,
            "parka": 0.6,
        },
        bottoms={
            "jeans": 4,
            "slim jeans": 3,
            "trousers": 3,
            "wide trousers": 1,
            "joggers": 1.2,
            "leggings": 1,
            "midi skirt": 0.6,
            "skirt": 0.4,
        },
        shoes={"trainers": 4, "boots": 2.5, "canvas shoes": 2, "leather shoes": 1.5, "high boots": 0.7, "loafers": 0.8},
        hats={"": 10, "cap": 1, "beanie": 1.2, "hat": 0.4, "headscarf": 0.6, "hood": 0.4},
        umbrella=0.04,
        bright=0.2,
    ),
    "office": Wardrobe(
        tops={"shirt": 6, "blouse": 2.5, "turtleneck": 1, "longsleeve": 1, "polo": 1, "dress": 1.5, "sweater": 1},
        outers={"": 4, "blazer": 5, "coat": 1, "open coat": 1, "cardigan": 0.8},
        bottoms={"trousers": 7, "wide trousers": 1.2, "pencil skirt": 1.5, "midi skirt": 0.8, "slim jeans": 0.8},
        shoes={"leather shoes": 5, "loafers": 2, "flats": 2, "trainers": 0.6},
        hats={"": 30, "headscarf": 1, "hat": 0.5},
        bags={"": 5, "crossbody": 2, "handbag": 2, "backpack": 1, "suitcase": 0.4},
        bright=0.12,
        tucked=0.6,
    ),
    "sport": Wardrobe(
        tops={"tshirt": 5, "loose tshirt": 2, "tank": 2, "longsleeve": 2, "hoodie": 2},
        outers={"": 6, "jacket": 1, "zip hoodie": 2, "vest": 0.4},
        bottoms={"shorts": 4, "leggings": 3, "joggers": 4, "short shorts": 0.7},
        shoes={"trainers": 9, "high tops": 1},
        hats={"": 8, "cap": 2, "beanie": 0.3},
        bags={"": 9, "backpack": 1},
        bright=0.45,
        tucked=0.0,
    ),
}
ONLY_WOMEN = {
    "dress",
    "sundress",
    "long dress",
    "blouse",
    "skirt",
    "mini skirt",
    "midi skirt",
    "long skirt",
    "pencil skirt",
    "short shorts",
    "leggings",
    "flats",
    "high boots",
    "sun hat",
    "headscarf",
}
SHARE_OF_MEN = {
    "leggings": 0.08,
    "tank": 0.6,
    "handbag": 0.12,
    "v-neck": 0.7,
    "cardigan": 0.5,
}  # of the weight that women give
DRESSES = ("dress", "sundress", "long dress")
UNDER_DRESS = {"": 7, "leggings": 3}
NOT_FOR_CHILDREN = {
    "pencil skirt",
    "mini skirt",
    "blazer",
    "leather jacket",
    "high boots",
    "leather shoes",
    "coat",
    "short shorts",
}

PATTERNS_OF: dict[str, Weights] = {
    "tshirt": {"plain": 7, "heather": 1.5, "stripes": 1.5, "print": 4.5, "blocks": 0.7, "camouflage": 0.15},
    "loose tshirt": {"plain": 5, "heather": 1, "print": 5, "blocks": 0.7},
    "v-neck": {"plain": 6, "heather": 2, "stripes": 1},
    "polo": {"plain": 6, "stripes": 2, "blocks": 1.5},
    "tank": {"plain": 6, "stripes": 1, "print": 2, "heather": 1},
    "longsleeve": {"plain": 6, "heather": 2, "stripes": 2.5, "blocks": 0.6},
    "turtleneck": {"plain": 5, "knit": 3, "heather": 1},
    "shirt": {"plain": 5, "checks": 1.2, "tartan": 2.5, "pinstripes": 1.8, "denim": 0.8, "flowers": 0.4},
    "blouse": {"plain": 4, "dots": 1.5, "flowers": 2.5, "pinstripes": 1},
    "sweater": {"plain": 3, "knit": 3, "heather": 2, "stripes": 1.5, "blocks": 0.8},
    "hoodie": {"plain": 5, "heather": 2.5, "print": 3, "blocks": 0.8},
    "dress": {"plain": 4, "flowers": 3, "dots": 1.5, "stripes": 1, "checks": 0.7},
    "sundress": {"plain": 2, "flowers": 4, "dots": 1.5, "stripes": 1},
    "long dress": {"plain": 4, "flowers": 3, "dots": 0.7},
    "jacket": {"plain": 6, "blocks": 2},
    "bomber": {"plain": 7, "camouflage": 0.5, "blocks": 1},
    "zip hoodie": {"plain": 5, "heather": 3},
    "cardigan": {"plain": 4, "knit": 3, "heather": 2},
    "blazer": {"plain": 6, "heather": 2, "pinstripes": 0.7, "tartan": 0.6},
    "denim jacket": {"denim": 1},
    "leather jacket": {"plain": 1},
    "vest": {"plain": 6, "blocks": 1},
    "puffer": {"plain": 7, "blocks": 1.5},
    "parka": {"plain": 8, "camouflage": 0.3},
    "coat": {"plain": 6, "heather": 2.5, "tartan": 0.6},
    "open coat": {"plain": 6, "heather": 2.5, "tartan": 0.5},
    "work vest": {"plain": 1},
    "trousers": {"plain": 8, "heather": 1, "pinstripes": 0.5, "checks": 0.5, "camouflage": 0.3},
    "wide trousers": {"plain": 6, "pinstripes": 0.6, "flowers": 0.4},
    "jeans": {"denim": 1},
    "slim jeans": {"denim": 1},
    "joggers": {"plain": 5, "heather": 3, "camouflage": 0.3},
    "leggings": {"plain": 9, "heather": 0.7, "camouflage": 0.2, "flowers": 0.2},
    "shorts": {"plain": 5, "denim": 3, "camouflage": 0.5, "heather": 0.7, "checks": 0.5},
    "short shorts": {"denim": 3, "plain": 3},
    "skirt": {"plain": 5, "flowers": 1, "checks": 0.7, "dots": 0.5, "tartan": 0.7},
    "mini skirt": {"plain": 4, "denim": 1.5, "tartan": 0.7},
    "midi skirt": {"plain": 4, "flowers": 2, "dots": 0.8},
    "long skirt": {"plain": 3, "flowers": 2},
    "pencil skirt": {"plain": 7, "heather": 1},
}
assert all(pattern in PATTERNS for table in PATTERNS_OF.values() for pattern in table)

HAIRCUTS: dict[str, Weights] = {
    "male": {
        "bald": 1,
        "buzz": 2,
        "receding": 0.4,
        "crew": 4,
        "short": 4,
        "side part": 3,
        "quiff": 2,
        "fringe": 1,
        "curly": 1.3,
        "afro": 0.4,
        "shoulder": 0.3,
        "bun": 0.15,
    },
    "female": {
        "short": 0.7,
        "curly": 0.8,
        "afro": 0.5,
        "bob": 2,
        "fringed bob": 1,
        "shoulder": 3,
        "long": 3.5,
        "wavy": 2.5,
        "ponytail": 3,
        "bun": 1.5,
        "top bun": 0.7,
        "braids": 0.6,
    },
}

# Of an asset pack: shares of the people who wear an item of each kind, where it suits them, and what a hat goes over.
ASSETS = {"suit": 0.75, "shoes": 0.6, "hair": 0.6, "hat": 0.25}
UNDER_ASSET_HATS = {"bald", "buzz", "receding", "crew"}
