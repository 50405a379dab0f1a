#!/bin/sh
# Makes the streams of a fleet, for a cluster of three, as docs/nats.md has them. What is there already is left alone.
#   NATS_URL=nats://nats-1:4222 FLEET=alerts ./make-streams.sh
set -eu
fleet=${FLEET:-alerts}

nats stream info "SWITCHGEAR_$fleet" >/dev/null 2>&1 ||
nats stream add "SWITCHGEAR_$fleet" --subjects "switchgear.v1.$fleet.log.*" --storage file --replicas 3 \
  --retention limits --discard old --max-msgs-per-subject 64 --max-msgs=-1 --max-bytes=-1 --max-age 0 \
  --max-msg-size 8192 --dupe-window 2m --deny-delete --deny-purge --allow-direct \
  --republish-source "switchgear.v1.$fleet.log.*" --republish-destination "switchgear.v1.$fleet.transitions.{{wildcard(1)}}"

nats stream info "SWITCHGEAR_AUDIT_$fleet" >/dev/null 2>&1 ||
nats stream add "SWITCHGEAR_AUDIT_$fleet" --subjects "switchgear.v1.$fleet.audit.*" --storage file --replicas 3 \
  --retention limits --discard old --max-age 90d --dupe-window 2m --deny-delete --deny-purge --allow-direct

nats stream info "SWITCHGEAR_ALERTS_$fleet" >/dev/null 2>&1 ||
nats stream add "SWITCHGEAR_ALERTS_$fleet" --subjects "switchgear.v1.$fleet.alerts.*" --storage file --replicas 3 \
  --retention work --discard new --discard-per-subject --max-msgs-per-subject 100000 --max-msgs 1000000 --max-bytes 256MiB \
  --max-age 0 --max-msg-size 1048576 --dupe-window 2m

nats consumer info "SWITCHGEAR_ALERTS_$fleet" intake >/dev/null 2>&1 ||
nats consumer add "SWITCHGEAR_ALERTS_$fleet" intake --pull --ack explicit --deliver all --replay instant --filter '' \
  --wait 30s --max-pending 1000000 --max-deliver=-1
