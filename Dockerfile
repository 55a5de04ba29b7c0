# Pin by digest when building a release: --build-arg BASE=python:3.13-slim-bookworm@sha256:...
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
ENV PYTHONNODEBUGRANGES=1
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_DEPS=1 PIP_ONLY_BINARY=:all:
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
# Of the tools, what makes our wheel. Every download is held against the lock.
RUN awk '/^[a-z]/ {w = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/} w' \
      requirements-dev.lock > /wheel.lock \
 && python -m venv --without-pip /tools \
 && python -m pip --python /tools/bin/python install --require-hashes -r /wheel.lock \
 && python -m venv --without-pip /venv \
 && python -m pip --python /venv/bin/python install --no-compile \
      --require-hashes -r requirements.lock
COPY . .
# Bytecode in a form that no clock and no file date invalidates: the root is read-only at run time,
# and a start without bytecode takes three times as long. It is without columns, which nobody asks
# for and every process keeps in memory.
RUN /tools/bin/python -m hatchling build --target wheel --directory /dist \
 && python -m pip --python /venv/bin/python install --no-compile --no-index /dist/*.whl \
 && /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="sallyport" \
      org.opencontainers.image.description="Admission webhook for multi-tenant AKS clusters" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is installed at run time. The standard library of the base may come without bytecode.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip setuptools wheel \
 && rm -rf /usr/local/lib/python3*/ensurepip \
 && PYTHONNODEBUGRANGES=1 python -W ignore -c 'import compileall, py_compile, sysconfig; \
compileall.compile_dir(sysconfig.get_path("stdlib"), quiet=2, workers=0, \
  invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)'
COPY --from=build /venv /venv
# One thread does nearly all work: arenas of malloc for the others are memory that nobody uses.
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=1
WORKDIR /tmp
USER 65532:65532
EXPOSE 8443 9080
# -I: neither the environment nor the working directory brings in code. -B, since -I ignores
# PYTHONDONTWRITEBYTECODE.
ENTRYPOINT ["/venv/bin/python", "-I", "-B", "-m", "webhook"]
CMD ["serve"]
