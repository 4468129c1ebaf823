# syntax=docker/dockerfile:1
# The gateway alone, without a shell: the program, the C library, and the authorities that the system trusts.
#
#     docker build -t sluice .
#     docker run --rm -p 8080:8080 -v "$PWD/gateway:/etc/sluice:ro" sluice
#
# The configuration is /etc/sluice/sluice.toml, its plugins are beside it, and `plugins.cache` has to be "/var/lib/sluice",
# which may be a volume. Inside, listen on 0.0.0.0. `docker stop` drains: give it more time than `server.drain` (`--stop-timeout`).

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin sluice \
 && install -D -m 755 target/release/sluice /image/usr/local/bin/sluice \
 && ldd target/release/sluice | grep -o '/[^ ]*' | xargs -I FILE install -D FILE /imageFILE \
 && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
 && install -d -m 755 /image/etc/sluice \
 && echo 'nonroot:x:65532:65532::/:/sbin/nologin' > /image/etc/passwd \
 && install -d -m 700 -o 65532 -g 65532 /image/var/lib/sluice

# What the program is linked to, certificates, a user `nonroot` (65532), and nothing else.
FROM scratch
COPY --from=build /image/ /
USER 65532:65532
WORKDIR /etc/sluice
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/sluice", "healthcheck", "--config", "/etc/sluice/sluice.toml"]
ENTRYPOINT ["/usr/local/bin/sluice"]
CMD ["run", "--config", "/etc/sluice/sluice.toml", "--log-format", "json"]
