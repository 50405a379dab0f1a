# The alert service. Everything that it keeps is in PostgreSQL, Redis and NATS, or else in /data:
#   docker build -t switchgear-service . && docker run --rm --stop-timeout 30 -p 127.0.0.1:3000:3000 -v switchgear:/data \
#     -e SWITCHGEAR_TOKENS='*:a-token-of-your-own' switchgear-service
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY service/package.json service/
# Scripts need the sources, which change more often than what is installed.
RUN npm ci --ignore-scripts
COPY tsconfig.base.json tsconfig.json ./
COPY src src
COPY service service
RUN npm run build && npm run prepare --workspace switchgear-service && npm prune --omit=dev --ignore-scripts

FROM node:22-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/service/package.json service/
COPY --from=build /app/service/dist service/dist
COPY --from=build /app/service/src/dashboard/assets service/src/dashboard/assets
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1 and hears SIGTERM; give it 30 s to hand back what it has in hand.
CMD ["node", "service/dist/main.js", "serve"]
