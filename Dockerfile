# The manager, the forwarder and the agent: Node.js, and what "npm ci" has built here. Nothing is fetched but the base image.
FROM node:24-bookworm-slim

COPY bin /usr/local/lib/kubectl-mcm/bin
COPY dist /usr/local/lib/kubectl-mcm/dist
COPY package.json LICENSE /usr/local/lib/kubectl-mcm/

# Nobody's. The forwarder's DaemonSet says root, since audit logs are root's.
USER 65532:65532

# Writes nothing into its own file system, which may be read-only.
ENTRYPOINT ["/usr/local/bin/node", "/usr/local/lib/kubectl-mcm/bin/kubectl-mcm"]
