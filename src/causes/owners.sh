# $paths $user : whose the data directories are, and the first thing in each that is another's.
for path in $paths; do
	[ -e "$path" ] || continue
	printf '%s\n' "$(stat -c '%U:%G %a %n' "$path")"
	[ -n "$user" ] || continue
	id -u "$user" >/dev/null 2>&1 || continue
	timeout 1 find "$path" -xdev -maxdepth 4 -name 'aside-*' -prune -o -name lost+found -prune -o ! -user "$user" \
		-exec stat -c '%U:%G %a %n' {} \; -quit 2>/dev/null
done
