set -eu

# fetch URL SHA256 FILE
fetch() {
    curl -fsSL -o "$3" "$1"
    echo "$2  $3" | sha256sum --quiet -c -
}

# put FILE < content: true if it differed.
put() {
    cat > "$1.new"
    if cmp -s "$1.new" "$1"; then
        rm "$1.new"
        return 1
    fi
    mv "$1.new" "$1"
}

# await COMMAND: until it is true, two minutes at most.
await() {
    local tries=2400
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "$* is not true after two minutes" >&2; exit 1; }
        sleep 0.05
    done
}
