# One image, many commands: rollout web, gateway, worker, clock, migrate, …

FROM python:3.11-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Dependencies first: they change less often than the code, so this layer is usually cached.
COPY requirements.txt requirements-build.txt ./
RUN python -m venv /opt/rollout \
 && /opt/rollout/bin/pip install --require-hashes --only-binary :all: -r requirements.txt \
 && pip install --require-hashes --only-binary :all: -r requirements-build.txt

COPY pyproject.toml README.md LICENSE ./
COPY rollout rollout
COPY workers workers
COPY templates templates
COPY migrations migrations
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/rollout/bin/pip install --no-deps /wheels/*.whl


FROM python:3.11-slim
COPY --from=build /opt/rollout /opt/rollout
RUN useradd --system --create-home --home-dir /var/lib/rollout rollout
ENV PATH=/opt/rollout/bin:$PATH PYTHONUNBUFFERED=1 ROLLOUT_DATA_DIR=/var/lib/rollout
USER rollout
WORKDIR /var/lib/rollout
ENTRYPOINT ["rollout"]
CMD ["--help"]
