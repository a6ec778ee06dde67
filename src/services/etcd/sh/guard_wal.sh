for file in "$data_dir"/member/wal/*.wal; do
	if [ -e "$file" ]; then exit 0; fi
done
fail "there is no write-ahead log in $data_dir any more"
