# syntax=docker/dockerfile:1
# driftd in a container: docker build -t driftd .
#
# The image serves; it holds no Python. Export a model and build a reference with the `build` stage, which is a whole development
# machine: docker build --target build -t driftd-build . && docker run --rm -v ./srv:/srv/driftd driftd-build build/release/driftd ...
#
# A tag without a digest, so that each build gets Debian's current security fixes; what is built on top is pinned by scripts/bootstrap.
FROM debian:bookworm-slim AS build

# pip's own settings choose the wheel of torch: plain pip takes the CUDA one (several GB), an index of CPU wheels is enough without a GPU.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL

WORKDIR /src
COPY scripts scripts
COPY CMakeLists.txt CMakePresets.json ./
COPY core core
COPY embed embed
COPY index index
COPY drift drift
COPY api api
# The cache keeps pip's downloads and the built FAISS from one build of the image to the next.
RUN --mount=type=cache,target=/root/.cache ./scripts/bootstrap

# The binary with those of LibTorch's libraries that it loads, by their own names; everything else comes from Debian packages.
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN mkdir -p /opt/driftd/lib \
    && cp build/release/driftd /opt/driftd/ \
    && strip /opt/driftd/driftd \
    && ldd build/release/driftd | awk '$3 ~ /site-packages/ {print $3}' | xargs cp --dereference --target-directory=/opt/driftd/lib

FROM debian:bookworm-slim

# Versions are not pinned: a pinned one is gone from the mirrors after Debian's next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates libboost-json1.81.0 libgomp1 libjemalloc2 libjpeg62-turbo libopenblas0-openmp libopencv-core406 libopencv-imgproc406 \
        libpng16-16 libprometheus-cpp-core1.0 libsqlite3-0 libssl3 libstdc++6 libwebp7 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/driftd --create-home driftd

COPY --from=build /opt/driftd /opt/driftd
COPY deploy/driftd.json /etc/driftd/driftd.json
RUN echo /opt/driftd/lib >/etc/ld.so.conf.d/driftd.conf && ldconfig && ln -s /opt/driftd/driftd /usr/local/bin/driftd \
    && driftd --version

# Only /var/lib/driftd (windows, alerts) and /tmp (unpacked .pt2 models) are written to: run it with --read-only, a volume and a tmpfs.
USER 10001
WORKDIR /var/lib/driftd
EXPOSE 8080 9090
# The admin listener answers while the model loads, too. bash speaks TCP by itself: no curl in the image.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9090 && printf 'GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["driftd"]
CMD ["serve", "--config", "/etc/driftd/driftd.json"]
