checked=$(haproxy -c -f "$new" 2>&1) || fail "haproxy -c: $checked"
