FROM --platform=$BUILDPLATFORM golang:1.27.3 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
# TAGS=zishang adds the engine of that name.
ARG TAGS=
# What -version and /stats say; without, the version of the source and "unknown".
ARG VERSION= REVISION=
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -tags="$TAGS" -pgo=cmd/signald/relays.pgo -trimpath -ldflags="-s -w -X github.com/oodaa/signaling/server.version=$VERSION -X github.com/oodaa/signaling/server.revision=$REVISION" -o /out/signald ./cmd/signald

# Nothing but the binary and the CA certificates it needs for rediss://, ACME and key sets.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/signald /signald
USER 65532:65532
ENV NODE_ENV=production
EXPOSE 3001
# No shell in here: the binary asks its own /health on $PORT.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["/signald", "-health"]
ENTRYPOINT ["/signald"]
