# make setup | demo | test | test-fast | slow | browser | smplx | check | docs | bench | tiny-world
# Only what is missing is done: .venv is filled again when pyproject.toml or constraints.txt change.

PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
DATA := $(or $(OPENGSPR_DATA),data)
READY := $(VENV)/.ready
# The shared libraries that Blender's module loads, and pyrender: file=Debian package
LIBRARIES := libX11.so.6=libx11-6 libXrender.so.1=libxrender1 libXfixes.so.3=libxfixes3 libXi.so.6=libxi6 \
  libxkbcommon.so.0=libxkbcommon0 libSM.so.6=libsm6 libGL.so.1=libgl1 libEGL.so.1=libegl1 libEGL_mesa.so.0=libegl-mesa0

.PHONY: setup demo test test-fast slow browser smplx check docs bench tiny-world libraries

setup: libraries $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	  echo "error: '$(PYTHON)' is not Python 3.11, the only one with bpy 4.5: install python3.11 and its venv module," \
	    "or name one: make setup PYTHON=/path/to/python3.11" >&2; exit 2; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[render,cluster,video,mesh,hub,export,tensorboard,faiss,fid,dev]'
	touch $(READY)

libraries:
	@command -v ldconfig >/dev/null || exit 0; \
	have=$$(ldconfig -p); missing=""; \
	for pair in $(LIBRARIES); do \
	  case "$$have" in *"$${pair%%=*} "*) ;; *) missing="$$missing $${pair##*=}";; esac; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ]; then as=""; elif sudo -n true 2>/dev/null; then as="sudo"; else as="none"; fi; \
	if [ "$$as" = none ] || ! command -v apt-get >/dev/null; then \
	  echo "note: rendering needs system packages that are missing; install:$$missing" >&2; exit 0; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$as apt-get install -qq -y $$missing >/dev/null 2>&1 || \
	  { $$as apt-get update -qq && $$as apt-get install -qq -y $$missing >/dev/null; } || \
	  { echo "error: apt-get could not install:$$missing" >&2; exit 2; }

# Three small worlds, labelled; SMCR trained from the second to the third. Each line goes on where it was cut off.
demo: setup
	$(RUN) -m synth.render --preset demo
	$(RUN) -m labeler.label $(DATA)/captures/demo-syn $(DATA)/captures/demo-src $(DATA)/captures/demo-tgt
	$(RUN) -m datasets.sheet demo-tgt --out $(DATA)/demo-tgt-sheet.jpg
	$(RUN) -m train.smcr --syn demo-syn --src demo-src --tgt demo-tgt

test: setup
	$(RUN) -m pytest -q -n 2 --dist loadfile -m 'not slow and not gpu and not smplx and not browser'

test-fast: setup
	$(RUN) -m pytest -q -n 2 --dist loadfile

slow: setup
	$(RUN) -m pytest -q -m 'slow and not gpu and not smplx and not browser'

# Pages in a browser; needs Debian's chromium
browser: setup
	$(RUN) -m pytest -q -m browser

# Installs the package smplx, whose licence is for non-commercial research; no model is needed
smplx: setup
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[smplx]'
	$(RUN) -m pytest -q -m smplx

check: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m scenes.check

# These pages as a site that needs no network: build/site/index.html
docs: setup
	$(RUN) -m mkdocs build --strict --quiet
	@echo "documentation: build/site/index.html"

# What a rendered crop costs here; 50 minutes on 2 cores
bench: setup
	$(RUN) -m benchmarks.render

# The small dataset of the tests, cut anew from the demo's worlds. It is committed, so nobody else needs this.
tiny-world: setup
	rm -rf tests/data/tiny_world
	mkdir -p tests/data/tiny_world
	$(RUN) -m datasets.cut demo-src --ids 20 --per-id 8 --size 128x64 --quality 45 --out tests/data/tiny_world/src
	$(RUN) -m datasets.cut demo-tgt --ids 56 --per-id 8 --size 128x64 --quality 45 --out tests/data/tiny_world/tgt
