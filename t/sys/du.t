#!/bin/bash
# du over ssh: the numbers of du(1) over the same files, the largest of them, what is hidden, whose files one may count; and it stops when told.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
rig_up
ONE=$PREFIX/state/servers/one S=$CONFIG/servers.d/rig.ini
json() { python3 -c '
import json, sys
for line in sys.stdin:
    o = json.loads(line)
    if o["kind"] == sys.argv[1]:
        print(*(o[k] for k in sys.argv[2:]))' "$@"; }
host() { du -s --block-size=1 "$ONE/$1" | cut -f1; }

hf alice start one >/dev/null 2>&1; hf alice kill one >/dev/null 2>&1; hf alice quota one >/dev/null
as_server one bash -c '
    mkdir -p world/region logs empty
    for i in 1 2 3; do head -c ${i}00000 /dev/zero >world/region/r$i; done
    head -c 700000 /dev/zero >logs/latest.log; ln logs/latest.log logs/again.log
    ln -s /etc out; truncate -s 1G holes; mkfifo fifo; for i in $(seq 500); do : >empty/f$i; done'

# --- numbers ---------------------------------------------------------------------------------------------------------------------------

run hf alice du one --json
is "$rc" 0 "du"
is "$(json sum bytes <<<"$out")" "$(host .)" "the bytes are those of du(1)"
is "$(json sum files <<<"$out")" "$(find "$ONE" -not -type d -printf '%i\n' | sort -u | wc -l)" "files, each inode once"
is "$(json sum directories <<<"$out")" "$(find "$ONE" -type d | wc -l)" "directories"
is "$(json sum path unreadable <<<"$out")" "/one 0" "of all of it"
ok "keys of --json" json_ok server path kind bytes apparent files directories unreadable <<<"$out"
is "$(hf alice du one --json world logs | json sum path bytes | tr '\n' ' ')" "/one/world $(host world) /one/logs $(host logs) " "paths below the server"
is "$(hf alice du --json /one/world/region/r2 | json sum bytes apparent files)" "$(($(stat -c %b "$ONE/world/region/r2") * 512)) 200000 1" "a file, by a whole path"
is "$(hf alice du --json /one/out | json sum files directories)" "1 0" "a link is not followed"
is "$(hf bob du --json | json sum path)" "/three" "without a word: all one may read"
is "$(hf alice du --json | json sum path | tr '\n' ' ')" "/one /two " "of several servers each"
is "$(timeout 60 "${SSH[@]}" -l alice+one alice du --json world 2>/dev/null | json sum path bytes)" "/world $(host world)" "inside of one server its paths begin there"
run hf alice du one
like "$out" '^ +bytes +apparent +files +directories +path' "for people a heading"
like "$out" ' /one$' "and a line"

# --- the largest -----------------------------------------------------------------------------------------------------------------------

run hf alice du one --top 3 --json
is "$(json file path <<<"$out" | sed 's/again/latest/' | tr '\n' ' ')" "/one/logs/latest.log /one/world/region/r3 /one/world/region/r2 " "the largest files, in order"
is "$(json directory path bytes <<<"$out" | sed -n 1p)" "/one/logs $(host logs)" "and directories, with all in them"
is "$(json directory path <<<"$out" | wc -l)" 3 "as many as asked for"
run hf alice du one --top 1
like "$out" ' /one/logs/' "for people a slash tells a directory"

# --- refusals --------------------------------------------------------------------------------------------------------------------------

exits 2 "--top 0" hf alice du one --top 0
like "$err" "allowed: 1 to 100" "says what is allowed"
exits 2 "--top x" hf alice du one --top x
exits 2 "an unknown option" hf alice du one --max-depth=1
exits 1 "nothing there" hf alice du one nothing
like "$err" "no such file" "and why"
exits 1 "another's server" hf bob du /one
unlike "$out" "one" "shows nothing of it"
exits 1 "out of it" hf alice du one ../../etc
as_server one mkdir shut
chown "$(($(stat -c %u "$ONE") + 1))" "$ONE/shut"; chmod 0700 "$ONE/shut"
exits 1 "a directory that cannot be read" hf alice du one --json
is "$(json sum unreadable <<<"$out")" 1 "is counted"
like "$err" "1 directories could not be read" "and said"
rmdir "$ONE/shut"
as_server one python3 -c 'import os
for i in range(4200):
    os.mkdir("d"); os.mkdir("e"); os.chdir("d")'
is "$(hf alice du one --json d | json sum directories unreadable)" "8399 0" "4200 levels, past what a path can name"
sed -i 's|^\[server one\]|&\ndeny = logs\ndeny = r3|' "$S"
ok "logs are hidden now" "$TOOL" --run "$RUN" reload
run hf alice du one --top 9 --json
unlike "$out" 'logs|r3' "what is hidden is not among the largest"
is "$(hf alice du one --json world | json sum bytes)" $(($(host world) - $(stat -c %b "$ONE/world/region/r3") * 512)) "and does not count"
exits 1 "past what a path can name nobody can tell what is hidden" hf alice du one --json d
like "$err" "could not be read" "so it is not looked at, and that is said"
exits 1 "asked for by name" hf alice du one logs
like "$err" "hidden by the admin" "it is refused by name"

# --- long, and given up ----------------------------------------------------------------------------------------------------------------

as_server one bash -c 'i=0; while ((i < 50)); do mkdir -p big/d$i; (cd big/d$i && for k in $(seq 120); do : >f$k; done); i=$((i + 1)); done'
is "$(hf alice du one --json big | json sum files directories)" "6000 51" "6000 files in slices"
for i in 1 2 3; do
    timeout 30 "${SSH[@]}" alice du one one one one >"$SCRATCH/cut" 2>&1 & p=$!
    sleep "0.$((i * 2))"; kill "$p" 2>/dev/null; wait "$p" 2>/dev/null
done
no_files() { [ -z "$(role_pids files)" ]; }
ok "nobody waits for it any more, and the worker is gone" wait_until 10 no_files
ok "the daemon is up" daemon_up
done_testing
