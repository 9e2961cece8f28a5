# syntax=docker/dockerfile:1

# Tags are exact versions. To pin the content as well, append the digest that `docker buildx imagetools inspect TAG` prints:
# rust:1.95.0-slim-bookworm@sha256:...
FROM rust:1.95.0-slim-bookworm AS build
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends build-essential cmake python3-pip
ARG TARGETARCH
# ONNX Runtime's library with its licences, by hash, from its Python package. It is published for two architectures; on any
# other the bot uses whisper.cpp.
COPY scripts/onnxruntime.txt /tmp/
RUN mkdir -p /out/lib /out/doc \
    && case "$TARGETARCH" in \
        amd64) machine=x86_64 ;; \
        arm64) machine=aarch64 ;; \
        *) exit 0 ;; \
    esac \
    && python3 -m pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action=ignore --no-deps \
        --no-compile --only-binary=:all: --require-hashes --python-version 3.11 --implementation cp --abi cp311 \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" \
        --target /tmp/onnxruntime --requirement /tmp/onnxruntime.txt \
    && cd /tmp/onnxruntime/onnxruntime \
    && install -m 0644 capi/libonnxruntime.so.1.28.0 /out/lib/ \
    && install -m 0644 LICENSE /out/doc/onnxruntime-LICENSE.txt \
    && install -m 0644 ThirdPartyNotices.txt /out/doc/onnxruntime-ThirdPartyNotices.txt \
    && rm -rf /tmp/onnxruntime
WORKDIR /src
COPY . .
ARG REVISION=unknown
# The target folder is a cache mount per architecture: copy the result out of it in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=stenobot-target-${TARGETARCH},sharing=locked \
    BUILD_COMMIT="$REVISION" cargo build --release --locked --bin stenobot \
    && install -D target/release/stenobot /out/stenobot \
    && install -d -m 0700 /out/data

FROM debian:bookworm-20260918-slim
# whisper.cpp needs OpenMP and the C++ library, ONNX Runtime the latter. TLS needs no certificates of the system: the program
# contains its own.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends libgomp1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*
COPY --from=build /out/stenobot /usr/local/bin/stenobot
COPY --from=build /out/lib/ /usr/local/lib/
COPY --from=build /src/LICENSE-APACHE /src/LICENSE-MIT /out/doc/ /usr/share/doc/stenobot/
COPY --from=build --chown=10001:10001 /out/data /data

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="stenobot" \
      org.opencontainers.image.description="A self-hosted Telegram bot that turns voice messages into text" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

ENV STENOBOT_DATA_DIR=/data \
    STENOBOT_METRICS_ADDR=0.0.0.0:9464 \
    STENOBOT_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 9464
STOPSIGNAL SIGTERM
# The first start downloads the model, which takes minutes on a slow connection.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10m --retries=3 CMD ["stenobot", "health"]
ENTRYPOINT ["stenobot"]
CMD ["run"]
