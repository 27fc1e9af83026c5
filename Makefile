# make setup | demo | test | test-fast | slow | coverage | browser | smplx | check | wheel | docs | bench | results | tiny-world
# Only what is missing is done: .venv is filled again when pyproject.toml or constraints.txt change.

PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
DATA := $(or $(OPENGSPR_DATA),data)
READY := $(VENV)/.ready
# The shared libraries that Blender's module loads, and pyrender: file=Debian package
LIBRARIES := libX11.so.6=libx11-6 libXrender.so.1=libxrender1 libXfixes.so.3=libxfixes3 libXi.so.6=libxi6 \
  libxkbcommon.so.0=libxkbcommon0 libSM.so.6=libsm6 libGL.so.1=libgl1 libEGL.so.1=libegl1 libEGL_mesa.so.0=libegl-mesa0

.PHONY: setup demo test test-fast slow coverage browser smplx check wheel docs bench results tiny-world libraries

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

# Which lines the tests run; 15 minutes on 2 cores
coverage: setup
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[coverage]'
	$(RUN) -m pytest -q -n 2 --dist loadfile -m 'not slow and not gpu and not smplx and not browser' --cov --cov-report=term

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

# The wheel, in an empty virtual environment and outside the checkout: it renders, and trains on the tests' small worlds
wheel: setup
	rm -rf build/wheel
	$(RUN) -m pip wheel --quiet --disable-pip-version-check --no-deps -w build/wheel .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "$$(ls build/wheel/*.whl)[render]"
	cd build/wheel && venv/bin/python -m synth.render --scenes 26 --ids 2369 --dry-run
	cd build/wheel && venv/bin/python -m train.smcr --data-root $(CURDIR)/tests/data/tiny_world --syn src --src src --tgt tgt \
	  --gan-epochs 1 --gan-steps 2 --pretrain-epochs 1 --pretrain-steps 2 --epochs 1 --steps 2

# These pages as a site that needs no network: build/site/index.html
docs: setup
	$(RUN) -m mkdocs build --strict --quiet
	@echo "documentation: build/site/index.html"

# What a rendered crop costs here; 50 minutes on 2 cores
bench: setup
	$(RUN) -m benchmarks.render

# docs/results.md's tables and raw figures: worlds, some 200 runs of minutes each. What is finished is not run again,
# so the grid may be run in pieces. OUT and RUNS may be other folders.
RUNS := runs
OUT := results
GRID = $(RUN) -m train.benchmark --seeds 3 --budget small --runs $(RUNS)
ADAPTING := udap,spcl,mmt,abmt,act,cluster_contrast,cap,ice,jvtc,mmcl,rae,dien,smcr
results: setup
	$(RUN) -m synth.render --preset mini-gspr --ids 110 --quality good
	$(RUN) -m synth.render --preset campus-summer --ids 240 --quality draft
	$(RUN) -m synth.render --preset campus-winter --ids 310 --quality draft
	$(RUN) -m synth.render --preset city-mixed --ids 120 --quality draft
	$(RUN) -m labeler.label $(DATA)/captures/mini-gspr $(DATA)/captures/campus-summer $(DATA)/captures/campus-winter $(DATA)/captures/city-mixed
	$(RUN) -m synth.render --preset campus-summer --ids 60 --per-id 4 --tracklet 20 --stride 6 --quality draft --out $(DATA)/captures/campus-video
	$(RUN) -m labeler.label $(DATA)/captures/campus-video
	$(GRID) --syn mini-gspr --pairs campus-summer:campus-winter --methods source,$(ADAPTING) --unseen city-mixed --out $(OUT)/summer-winter
	$(GRID) --syn mini-gspr --pairs campus-winter:campus-summer --methods source,$(ADAPTING) --unseen city-mixed --out $(OUT)/winter-summer
	$(GRID) --syn mini-gspr --pairs campus-summer:campus-winter --ablations ice --rows "agnostic + h_ins + s_ins" --out $(OUT)/ice
	$(GRID) --syn mini-gspr --pairs campus-summer:campus-winter --ablations dien --out $(OUT)/dien
	$(GRID) --syn mini-gspr --pairs campus-summer:campus-winter --ablations rae --rows "baseline; baseline + FT; baseline + PT; baseline + FT + PT; baseline + P^T; baseline + FT + P^T; baseline + FT + P^T + F; MMCL host; JVTC host" --out $(OUT)/rae
	$(GRID) --pairs :campus-winter --methods cluster_contrast,ice,cap --out $(OUT)/winter
	$(GRID) --pairs campus-winter:campus-winter --methods source,scr --out $(OUT)/supervised
	$(GRID) --pairs campus-video:campus-video --methods scr --out $(OUT)/video-single
	$(GRID) --pairs campus-video:campus-video --ablations scr --rows "TP(R); TP(E); TPP(R); TPP(E)" --out $(OUT)/video
	$(RUN) -m train.mesh --capture mini-gspr --budget small --amp bf16 --runs $(RUNS)
	$(RUN) -m train.mesh --capture mini-gspr --budget small --amp bf16 --runs $(RUNS) --predict campus-winter
	for seed in 0 1 2; do for row in "+ L_vi^woGAN" "+ L_gan + L_vi + L'_vi + L''_vi"; do \
	  $(RUN) -m train.gcl --tgt campus-winter --init-from $(RUNS)/cluster_contrast/campus-winter/s$$seed-* --seed $$seed \
	    --budget small --runs $(RUNS) --ablation "$$row" || exit 1; done; done
	$(RUN) -m train.report $(RUNS)/gcl/campus-winter --out $(OUT)/gcl.md
	$(RUN) -m train.report $(RUNS)/cluster_contrast/campus-summer2campus-winter $(RUNS)/ice/campus-summer2campus-winter \
	  $(RUNS)/smcr/campus-summer2campus-winter $(RUNS)/spcl/campus-summer2campus-winter \
	  $(RUNS)/udap/campus-summer2campus-winter --by campus-winter --out $(OUT)/by-factor.md

# The small dataset of the tests, cut anew from the demo's worlds. It is committed, so nobody else needs this.
tiny-world: setup
	rm -rf tests/data/tiny_world
	mkdir -p tests/data/tiny_world
	$(RUN) -m datasets.cut demo-src --ids 20 --per-id 8 --size 128x64 --quality 45 --out tests/data/tiny_world/src
	$(RUN) -m datasets.cut demo-tgt --ids 56 --per-id 8 --size 128x64 --quality 45 --out tests/data/tiny_world/tgt
