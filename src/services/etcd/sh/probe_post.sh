http_post "$host" "$port" "$path" '{}' || printf '\nexit %s' "$?"
echo
