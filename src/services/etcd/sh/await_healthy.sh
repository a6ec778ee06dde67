# The member on this host is healthy.
# shellcheck disable=SC2016,SC2154  # bash fills in its own variables; of health.sh
timeout 2 bash -c "$http_ask$soon$health"'soon healthy 127.0.0.1 "$1" "the member"' - "$port"
