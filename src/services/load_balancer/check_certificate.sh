printf '%s\n' 'frontend check' '    mode http' '    timeout client 1s' "    bind 127.0.0.1:1 ssl crt $new" >"$new.cfg"
checked=$(haproxy -c -f "$new.cfg" 2>&1) || {
	rm -f "$new.cfg" "$new"
	fail "the certificate and its key do not make a pair that HAProxy can load: $checked"
}
rm -f "$new.cfg"
