# shellcheck shell=bash disable=SC2034
# What scripts/bootstrap installs and builds; read by source.
packages=(
  ca-certificates curl git g++ cmake ninja-build pkg-config dpkg-dev python3 python3-venv python3-dev
  libboost1.81-dev libboost-json1.81-dev libcli11-dev libsqlite3-dev libssl-dev prometheus-cpp-dev
  libopencv-core-dev libopencv-imgproc-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libopenblas-openmp-dev
  libjemalloc-dev
  dataset-fashion-mnist
)
test_packages=(catch2 chromium strace)
faiss_version=1.7.3
faiss_debian_version=1.7.3-2
faiss_sha256=3e4fac26d8c9e9008ecea4ae5fc414c658998fce4ba75835058b1a71d3516002
