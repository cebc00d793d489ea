# The control plane. In the root of the checkout: docker build --file k8s/image/controlplane.Dockerfile --tag l7mp/controlplane .
# The same commit gives the same files; with `--build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)` and BuildKit's
# `--output type=image,rewrite-timestamp=true`, the same image.
ARG NODE_IMAGE=node:20.20.2-bookworm-slim

FROM ${NODE_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && k8s/image/assemble.sh /out

FROM ${NODE_IMAGE}
# Neither is used by what runs here.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn*
COPY --from=build /out /opt/l7mp
ENV NODE_ENV=production
# A number, so that Kubernetes sees that it isn't root.
USER 65532:65532
ENTRYPOINT ["/opt/l7mp/bin/l7mp"]
CMD ["controlplane"]
