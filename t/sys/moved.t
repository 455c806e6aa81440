#!/bin/bash
# A server's files on another machine, under another name, under another number, and after the store has lost its database: always its own, and
# nobody else's.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need debugfs setpriv
scratch
cat >"$SCRATCH/run" <<'EOF'
#!/bin/sh
stat -c '%u:%g %U' data
cat data
echo "from inside" >>data && mkdir -p made/deep && : >made/deep/file && echo wrote
echo "uptime $(cut -d. -f1 /proc/uptime)"
trap 'exit 0' TERM
while :; do sleep 0.2; done
EOF
chmod 0755 "$SCRATCH/run"
echo "made on the first" >"$SCRATCH/data"
on_disk() { debugfs -R "stat /files$2" "$1" 2>/dev/null | sed -n 's/^User: *\([0-9]*\) *Group: *\([0-9]*\).*/\1:\2/p'; }
uids() { "$TOOL" --run "$RUN" server show "$1" | awk '$1 == "uids" { print $2 }'; }
said() { hf alice logs "$1" -n 20 2>/dev/null | grep -q -- "$2"; }
fill() { printf 'put -p %s /%s/run\nput %s /%s/data\n' "$SCRATCH/run" "$1" "$SCRATCH/data" "$1" | batch alice >/dev/null; }
all_its() {   # SERVER: how many files the host sees that are not its
    find "$PREFIX/state/servers/$1" ! -uid $(($(uids "$1") + 1000)) | wc -l
}
add() {
    printf '[server %s]\nowner = alice\ncommand = ./run\ndisk = 64M\nmemory = 64M\ntmp = 16M\nrestart = never\nnetwork = none\n' "$1" >"$CONFIG/servers.d/$1.ini"
    chmod 0600 "$CONFIG/servers.d/$1.ini"
}
reload() { exits 0 "reload${1:+ $1}" "$TOOL" --run "$RUN" reload; }

# --- the first machine ------------------------------------------------------------------------------------------------------------------------

rig_up
ok "files are put" fill one
started one >/dev/null
ok "the server reads and writes them" wait_until 10 said one wrote
ok "as uid 1000" said one '1000:1000 server$'
ok "its uptime is its own" said one 'uptime [0-9]$'
first=$(uids one)
is "$(all_its one)" 0 "all of them are its range's on the host"
stopped one >/dev/null
sync -f "$PREFIX/state/servers/one"
cp --sparse=always "$PREFIX/state/servers/one.img" "$SCRATCH/one.img"
is "$(on_disk "$SCRATCH/one.img" /run)" "1000:1000" "on the disk they are 1000's"

# --- the same, removed and added again; renamed ---------------------------------------------------------------------------------------------------

before=$(uids two)
sed -i '/^\[server two\]/,/^\[server three\]/{/^\[server three\]/!d}' "$CONFIG/servers.d/rig.ini"
reload "without two"
add new
reload "with another"
isnt "$(uids new)" "$before" "a removed server's range is not given to the next"
add two
reload "with two again"
is "$(uids two)" "$before" "it has it when it comes back"
ok "and its disk" batch alice <<<"put $SCRATCH/data /two/data"
is "$(all_its two)" 0 "with its own ids"
# A server is renamed by its image.
cp --sparse=always "$SCRATCH/one.img" "$PREFIX/state/servers/renamed.img"; chmod 0600 "$PREFIX/state/servers/renamed.img"
add renamed
reload "with one by another name"
isnt "$(uids renamed)" "$first" "another name is another range"
ok "the files are served" batch alice <<<"get /renamed/data $SCRATCH/back"
is "$(tr '\n' ' ' <"$SCRATCH/back")" "made on the first from inside " "as they were"
ok "and written" batch alice <<<"put $SCRATCH/data /renamed/data"
is "$(all_its renamed)" 0 "all of them are of the new range"
nok "of which the old owner sees nothing" setpriv --reuid $((first + 1000)) --regid $((first + 1000)) --clear-groups -- cat "$PREFIX/state/servers/renamed/data"
started renamed >/dev/null
ok "the server runs on them" wait_until 10 said renamed wrote

# --- the store has lost its database ----------------------------------------------------------------------------------------------------------------

started one >/dev/null
ok "one runs" wait_until 10 state_is one running
pid=$(field one pid)
kill -KILL "$SERVER_PID"
ended() { ! alive "$SERVER_PID" && [ -z "$(role_pids store)" ]; }
wait_until 10 ended
ok "its server lives on" alive "$pid"
rm -f "$PREFIX"/state/store/store.db*
# Names that sort before the others: these get the numbers of those.
add aaa; add aab
eval "$("$HERE/t/rig" start "$PREFIX")"
ok "the daemon starts with an empty store" daemon_up
isnt "$(uids one)" "$first" "numbers are others now"
is "$(uids aab)" "$((first + 65536))" "and what was another's is a new server's"
gone() { ! alive "$pid"; }
ok "the process that ran with its old ids ends" wait_until 20 gone
ok "and that is said" logged 'server.ids server=one'
ok "one is down" wait_until 10 state_is one offline
ok "its disk was mounted for the other number" logged 'disk is mounted for another owner.*server=one'
ok "its files are served" batch alice <<<"get /one/data $SCRATCH/back"
like "$(tr '\n' ' ' <"$SCRATCH/back")" '^made on the first from inside ' "as they were"
ok "and written" batch alice <<<"put $SCRATCH/data /one/data"
is "$(all_its one)" 0 "all of them are one's by its new number"
is "$(ls -A "$PREFIX/state/servers/aaa")" "" "who has its range now has none of them"
is "$(uids aaa)" "$first" "which is a server that was added"
nok "and cannot" setpriv --reuid $((first + 1000)) --regid $((first + 1000)) --clear-groups -- cat "$PREFIX/state/servers/one/data"
started one >/dev/null
ok "the server runs" wait_until 10 state_is one running
stopped one >/dev/null
rig_end >/dev/null || fail "the end of the first machine"
tap_stack=("${tap_stack[0]}")

# --- another machine --------------------------------------------------------------------------------------------------------------------------------

for _ in 1 2 3 4 5; do
    rig_up
    [ "$(uids one)" = "$first" ] || break
    rig_end >/dev/null
    tap_stack=("${tap_stack[0]}")
done
isnt "$(uids one)" "$first" "another machine has other ranges"
cp --sparse=always "$SCRATCH/one.img" "$PREFIX/state/servers/moved.img"; chmod 0600 "$PREFIX/state/servers/moved.img"
add moved
reload "with a server from the first"
ok "the image of the first is served" batch alice <<<"get /moved/data $SCRATCH/there"
is "$(tr '\n' ' ' <"$SCRATCH/there")" "made on the first from inside " "the same"
is "$(all_its moved)" 0 "its owner is the server's uid of this machine"
ok "it is written by SFTP" batch alice <<<$'rename /moved/data /moved/kept\nput '"$SCRATCH/data"' /moved/data'
started moved >/dev/null
ok "and by the server" wait_until 10 said moved wrote
ok "who sees itself as its owner" said moved '1000:1000 server$'
exits 0 "a backup is made of it" hf alice backup create moved
done_testing
