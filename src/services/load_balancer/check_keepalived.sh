# A good file ends `keepalived -t` with 0 or, by its own signal, 143; a bad one with 5 or with anything said. Versions
# before 2.0.5 cannot check.
if keepalived --help 2>&1 | grep -q -e --config-test; then
	code=0
	checked=$(timeout 20 keepalived -t -f "$new" 2>&1) || code=$?
	case "$code $checked" in
	'0 ' | '143 ') ;;
	*) fail "keepalived -t (exit $code): $checked" ;;
	esac
fi
