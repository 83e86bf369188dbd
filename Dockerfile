# The image of Slipway: the program, its shared libraries, a user and CA certificates; no shell.
#   docker build -t slipway:0.1.0 .
# Without Docker, charts/image/build makes the same image as a tar; both take their files from charts/image/rootfs.sh.
FROM rust:1.95-trixie AS build
WORKDIR /slipway
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/slipway/target \
    cargo build --release --locked && charts/image/rootfs.sh /rootfs

FROM scratch
COPY --from=build /rootfs /
LABEL org.opencontainers.image.title=slipway org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532
# HTTP, HTTPS, admission, health and metrics.
EXPOSE 80 443 8443 10254
ENTRYPOINT ["/slipway"]
