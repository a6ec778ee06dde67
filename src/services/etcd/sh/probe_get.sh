http_get "$host" "$port" "$path" || printf '\nexit %s' "$?"
echo
