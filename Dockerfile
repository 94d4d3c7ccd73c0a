# Switchgate in a container: docker build -t switchgate . && docker run -p 8484:8484 -v switchgate:/data switchgate
# The first key and the admin token: docker exec <container> cat /data/first-start.txt

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src ./src
COPY providers ./providers
COPY drizzle ./drizzle
RUN npm run build

# The SQLite binding ships prebuilt, so that nothing is compiled and no install script has to run.
FROM node:24-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-slim
WORKDIR /app
# 0.0.0.0 is the data plane only. The admin plane stays on the container's own 127.0.0.1:8485 until
# SWITCHGATE_ADMIN_HOST=0.0.0.0 is set; publish it with -p 127.0.0.1:8485:8485.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8484 SWITCHGATE_DATA=/data
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY drizzle ./drizzle
COPY src/switchgate.cjs ./src/switchgate.cjs
COPY src/tokenizer/o200k_base.br src/tokenizer/o200k_base.md ./src/tokenizer/
RUN ln -s /app/src/switchgate.cjs /usr/local/bin/switchgate && chmod +x src/switchgate.cjs \
  && mkdir /data && chown node:node /data && chmod 700 /data
USER node
VOLUME /data
EXPOSE 8484 8485
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "process.env.NODE_TLS_REJECT_UNAUTHORIZED='0';fetch((process.env.TLS_CERT_FILE?'https':'http')+'://127.0.0.1:'+(process.env.PORT||8484)+'/healthz').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
CMD ["node", "src/switchgate.cjs", "serve"]
