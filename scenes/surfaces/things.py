"""What things are made of, and what is printed on them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scenes.surfaces.painting import axes, cells, finish, grain, noise, surface, tint, worn

SYLLABLES = "ka vo ri zen lum tar nox bel ori fen dra sol mi qua ven to pex lar hu zi".split()


def word(random: np.random.Generator) -> str:
    """An invented word."""
    return "".join(SYLLABLES[k] for k in random.integers(len(SYLLABLES), size=random.integers(2, 4))).upper()


@surface(2.0)
def metal(random: np.random.Generator, size: int = 128) -> np.ndarray:
    value = 1 + 0.04 * noise(random, size, 4, 3)
    return finish(tint(random, (0.15, 0.16, 0.17), (0.45, 0.46, 0.48), (0.12, 0.2, 0.17)) * value[..., None])


@surface(2.0)
def steel(random: np.random.Generator, size: int = 128) -> np.ndarray:
    """Brushed and bright."""
    value = 1 + 0.05 * np.repeat(grain(random, size)[:1], size, axis=0) + 0.03 * noise(random, size, 3)
    return finish(np.array([0.62, 0.63, 0.64]) * value[..., None])


@surface(2.0)
def paint(random: np.random.Generator, size: int = 64) -> np.ndarray:
    """White with a little dust, to be coloured."""
    return finish((0.92 * worn(random, size, 0.5))[..., None] * np.ones(3))


@surface(1.0)
def fabric(random: np.random.Generator, size: int = 128) -> np.ndarray:
    """Broad stripes, as on parasols and awnings; to be coloured."""
    _, u = axes(size)
    value = np.where((u * 3) % 1 < 0.5, 0.95, 0.5) * (1 + 0.03 * grain(random, size))
    return finish(value[..., None] * np.ones(3))


@surface(1.0)
def cloth(random: np.random.Generator, size: int = 128) -> np.ndarray:
    """Plain, to be coloured."""
    value = 0.85 * (1 + 0.04 * grain(random, size) + 0.06 * noise(random, size, 4))
    return finish(value[..., None] * np.ones(3))


@surface(2.0)
def foliage(random: np.random.Generator, size: int = 256) -> np.ndarray:
    """A clipped hedge, or leaves from afar."""
    _, edge = cells(random, size, 40)
    value = 0.55 + 0.9 * np.clip(edge, 0, 0.6) + 0.2 * noise(random, size, 6, 3)
    return finish(tint(random, (0.17, 0.26, 0.09), (0.24, 0.3, 0.1), (0.14, 0.22, 0.12)) * value[..., None])


@surface(1.0)
def leaves(random: np.random.Generator, size: int = 64) -> np.ndarray:
    """Leaves close by: tones that single sprays take from it."""
    value = 1 + 0.35 * noise(random, size, 4, 2)
    return finish(tint(random, (0.26, 0.38, 0.13), (0.33, 0.41, 0.16), (0.21, 0.33, 0.16)) * value[..., None])


@surface(1.0)
def bark(random: np.random.Generator, size: int = 128) -> np.ndarray:
    _, u = axes(size)
    ridges = np.abs(np.sin(2 * np.pi * (7 * u + 0.25 * noise(random, size, 3, 3))))
    return finish(np.array([0.3, 0.24, 0.18]) * (0.6 + 0.5 * ridges + 0.1 * noise(random, size, 10, 2))[..., None])


@surface(4.0)
def rock(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """In layers, with cracks that run here and there."""
    v, _ = axes(size)
    layers = np.sin(2 * np.pi * (7 * v + 0.3 * noise(random, size, 3, 3)))
    crack = np.clip(1 - np.abs(noise(random, size, 3, 4)) / 0.07, 0, 1) * (noise(random, size, 2, 2) > 0)
    value = 1 + 0.13 * noise(random, size, 5, 5) + 0.06 * layers - 0.35 * crack + 0.03 * grain(random, size)
    moss = np.clip(noise(random, size, 4, 4) - 1.0, 0, 0.8)[..., None]
    out = tint(random, (0.5, 0.48, 0.45), (0.56, 0.5, 0.42)) * value[..., None]
    return finish(out * (1 - moss) + moss * np.array([0.3, 0.35, 0.18]))


@surface(60.0)
def hills(random: np.random.Generator, size: int = 256) -> np.ndarray:
    """Wooded slopes seen from far away, in haze."""
    woods = np.clip(noise(random, size, 10, 4) + 0.2, 0, 1)[..., None]
    far = np.array([0.46, 0.51, 0.5]) * (1 - woods) + np.array([0.27, 0.36, 0.32]) * woods
    return finish(far)


@surface(40.0)
def skyline(random: np.random.Generator, size: int = 256) -> np.ndarray:
    """House fronts seen from far away, in haze: 24 windows to 40 m, and as many storeys; some shine at night."""
    v, u = axes(size)
    row, column = (v * 24).astype(int), (u * 24).astype(int)
    window = ((u * 24) % 1 > 0.45) & ((v * 24) % 1 > 0.45)
    front = random.uniform(0.42, 0.66, 6)[column // 4] + 0.02 * noise(random, size, 6, 3)
    out = front[..., None] * np.array([0.98, 1.0, 1.03])
    pane = random.uniform(0.2, 0.4, (24, 24, 1)) * np.where(
        random.random((24, 24, 1)) < 0.7, [1, 0.85, 0.6], [0.8, 0.9, 1]
    )
    out[window] = pane[row, column][window]
    lit = np.where(random.random((24, 24)) < 0.2, random.uniform(0.3, 1, (24, 24)), 0)
    return finish(out, lit[row, column] * window)


@surface(3.0)
def goods(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Shelves full of coloured boxes."""
    out = np.full((size, size, 3), 0.16)
    rows = 5
    for r in range(rows):
        top, bottom = int(size * (r + 0.12) / rows), int(size * (r + 0.9) / rows)
        x = 0
        while x < size - 6:
            width, height = int(random.integers(12, 40)), int((bottom - top) * random.uniform(0.45, 1))
            look = 0.45 * random.uniform(0.1, 0.85) + 0.55 * random.uniform(0.1, 0.75, 3)
            for _ in range(int(random.integers(1, 4))):  # several of a kind
                box = out[bottom - height : bottom, x : x + width - 1]
                box[:] = look
                box[height // 3 : height // 2] = np.clip(look * 0.5 + 0.4, 0, 1)
                x += width
        out[bottom : bottom + int(0.06 * size / rows)] = 0.62
    return finish(out)


@surface(2.0)
def books(random: np.random.Generator, size: int = 512) -> np.ndarray:
    """Shelves of book spines."""
    out = np.full((size, size, 3), 0.12)
    rows = 6
    for r in range(rows):
        bottom, x = int(size * (r + 0.93) / rows), 0
        while x < size:
            width, height = int(random.integers(5, 13)), int(size / rows * random.uniform(0.6, 0.82))
            spine = out[bottom - height : bottom, x : x + width - 1]
            spine[:] = tint(
                random, (0.45, 0.2, 0.16), (0.2, 0.26, 0.38), (0.6, 0.55, 0.45), (0.2, 0.3, 0.22), spread=0.3
            )
            spine[height // 6 : height // 4] *= random.choice([0.6, 1.0, 1.5])
            x += width + (int(random.integers(20, 60)) if random.random() < 0.02 else 0)
        out[bottom : int(size * (r + 1) / rows)] = [0.4, 0.28, 0.17]
    return finish(out)


@surface(1.5)
def bottles(random: np.random.Generator, size: int = 384) -> np.ndarray:
    """A bar's shelves with bottles, lit from behind."""
    v, u = axes(size)
    out = np.array([0.5, 0.36, 0.2]) * (0.7 + 0.3 * np.cos(2 * np.pi * 3 * v))[..., None]
    for r in range(3):
        base, x = (r + 0.93) / 3, 0.01
        while x < 0.98:
            wide, high = random.uniform(0.018, 0.026), random.uniform(0.17, 0.25)
            body = (np.abs(u - x - wide) < wide) & (v < base) & (v > base - 0.65 * high)
            neck = (np.abs(u - x - wide) < 0.35 * wide) & (v < base) & (v > base - high)
            look = tint(random, (0.1, 0.25, 0.12), (0.4, 0.2, 0.06), (0.7, 0.72, 0.7), (0.5, 0.1, 0.08), spread=0.3)
            out[body | neck] = look
            out[body & (np.abs(v - base + 0.3 * high) < 0.14 * high)] = random.uniform(0.3, 0.9, 3)
            x += 2.3 * wide
    out[(v * 3) % 1 > 0.93] = [0.24, 0.15, 0.09]
    return finish(out, np.full((size, size), 0.35))


@surface(1.0)
def poster(random: np.random.Generator, size: int = 192) -> np.ndarray:
    """An invented advertisement: fields of colour, a sun, a word."""
    v, u = axes(size)
    a, b, c = random.uniform(0.05, 0.9, (3, 3))
    hill = v > 0.6 + 0.15 * np.sin(u * random.uniform(3, 9) + random.uniform(0, 6))
    disc = np.hypot(u - random.uniform(0.2, 0.8), v - 0.4) < random.uniform(0.08, 0.2)
    out = np.where(hill[..., None], a, b * (0.6 + 0.6 * v[..., None]))
    out[disc & ~hill] = c
    edge = (np.minimum(u, 1 - u) < 0.04) | (np.minimum(v, 1 - v) < 0.04)
    out[edge] = 0.9
    page = Image.fromarray(finish(out))
    ink = (255, 255, 255) if b.mean() < 0.5 else (20, 20, 20)
    text = word(random)
    font = ImageFont.load_default(int(1.25 * size / max(len(text), 4)))
    ImageDraw.Draw(page).text((size / 2, 0.17 * size), text, ink, font, anchor="mm")
    return finish(np.asarray(page) / 255, np.full((size, size), 0.5))


@surface(1.0)
def painting(random: np.random.Generator, size: int = 192) -> np.ndarray:
    """A landscape or an abstract picture in a gilt frame."""
    v, u = axes(size)
    wave = noise(random, size, 3, 5)
    if random.random() < 0.6:
        sky = tint(random, (0.6, 0.62, 0.62), (0.75, 0.62, 0.45), (0.35, 0.42, 0.55))
        land = tint(random, (0.3, 0.33, 0.2), (0.4, 0.3, 0.2), (0.2, 0.25, 0.3))
        out = np.where((v > 0.55 + 0.06 * wave)[..., None], land, sky) * (1 + 0.15 * wave)[..., None]
    else:
        tones = random.uniform(0.1, 0.85, (4, 3))
        out = tones[np.digitize(wave, (-0.6, 0.1, 0.8))]
    edge = np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v))
    out[edge < 0.09] = (np.array([0.55, 0.42, 0.2]) * (0.7 + 5 * (0.09 - edge))[..., None])[edge < 0.09]
    return finish(out)


@surface(3.0)
def timetable(random: np.random.Generator, size: int = 384) -> np.ndarray:
    """A board of departures; lit."""
    page = Image.new("RGB", (size, size), (16, 20, 30))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size // 15)
    for row in range(11):
        y = (row + 0.5) * size / 11
        ink = (245, 220, 90) if row else (235, 240, 245)
        for x, text in ((0.03, f"{random.integers(24):02d}:{random.integers(60):02d}"), (0.25, word(random))):
            draw.text((x * size, y), text, ink, font, anchor="lm")
        draw.text((0.88 * size, y), str(random.integers(1, 20)), ink, font, anchor="lm")
    return finish(np.asarray(page) / 255, np.ones((size, size)))


@surface(1.0)
def screen(random: np.random.Generator, size: int = 96) -> np.ndarray:
    """A lit display."""
    v, u = axes(size)
    out = np.array([0.15, 0.3, 0.5]) + 0.35 * ((v * 8) % 1 < 0.4)[..., None] * (u < random.uniform(0.4, 0.9))[..., None]
    return finish(out, np.ones((size, size)))
