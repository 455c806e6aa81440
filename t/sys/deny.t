#!/bin/bash
# deny: what the admin hides is there for nobody, by no client; a reload that changes it ends what is under way.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
need rclone rsync sftp scp
/usr/bin/python3 -c 'import paramiko' 2>/dev/null || skip_all "python3-paramiko is not installed"
scratch
rig_up
S=$CONFIG/servers.d/rig.ini ONE=$PREFIX/state/servers/one
reload() { timeout 30 "$TOOL" --run "$RUN" reload; }
# The patterns of server one, from here on.
deny() { sed -i '/^deny = /d' "$S"; local p; for p in "$@"; do sed -i "s|^\[server one\]|&\ndeny = $p|" "$S"; done; }

mkdir -p "$SCRATCH/up/keys" "$SCRATCH/up/hidden"
echo canary | tee "$SCRATCH/up/secret.pem" "$SCRATCH/up/keys/a.key" "$SCRATCH/up/hidden/f" >/dev/null
echo open | tee "$SCRATCH/up/open" "$SCRATCH/up/keys/plain" >/dev/null
ok "files while nothing is hidden" batch alice <<EOF2
put -r $SCRATCH/up/* /one/
ln -s secret.pem /one/link
ln -s hidden /one/door
EOF2
ok "and one is read" hf alice md5sum /one/secret.pem

# --- the configuration ------------------------------------------------------------------------------------------------------------------------------

for bad in '**/x' '../x' 'a//b' 'a/' '*.{pem,key}'; do
    deny "$bad"
    exits 1 "deny = $bad is refused" reload
    like "$out$err" 'servers.d/rig.ini:[0-9]+.*deny.*allowed: pattern of names' "and what is allowed is said"
done
deny '*.pem' 'keys/*.key' hidden
exits 0 "patterns are taken" reload
exits 0 "holdfastd -T" "$DAEMON" -c "$CONFIG" -T
like "$out" 'deny = keys/\*\.key' "prints them"

# --- stock clients ----------------------------------------------------------------------------------------------------------------------------------

run batch alice <<<"ls -a /one"
is "$(grep -cE 'secret|hidden' <<<"$out")" 0 "sftp ls does not show it"
like "$out" 'open' "but the rest"
run batch alice <<<"ls /one/keys"
like "$out" 'plain' "in a folder as well"; unlike "$out" 'a\.key' "without what is hidden there"
for what in "get /one/secret.pem" "get /one/link" "get /one/door/f" "get /one/keys/../secret.pem" "ls /one/hidden" "put $SCRATCH/up/open /one/new.pem" \
    "put $SCRATCH/up/open /one/link" "rm /one/secret.pem" "rename /one/secret.pem /one/mine" "rename /one/open /one/open.pem" "mkdir /one/hidden2/hidden" \
    "ln /one/secret.pem /one/mine" "ln -s x /one/x.pem" "chmod 600 /one/keys/a.key" "rename /one/keys /one/k2" "rename /one/hidden /one/seen" "df /one/hidden"; do
    nok "sftp $what" batch alice <<<"lcd $SCRATCH
$what"
done
is "$(find "$SCRATCH" -maxdepth 1 -type f ! -name '*.*' | wc -l)" 0 "nothing was fetched"
exits 1 "md5sum over ssh" hf alice md5sum /one/secret.pem /one/open
like "$err" 'secret.pem: hidden by the admin \(deny = \*\.pem\)' "is told who hides it"
like "$out" 'one/open$' "and goes on with the next"
nok "sha256sum by a link" hf alice sha256sum /one/link
nok "test -e" hf alice test -e /one/secret.pem
SCP=(scp -F "$SSH_CONFIG")
nok "scp from" "${SCP[@]}" alice:/one/secret.pem "$SCRATCH/fetched"
nok "scp to" "${SCP[@]}" "$SCRATCH/up/open" alice:/one/fresh.pem
nok "scp -r of a hidden folder" "${SCP[@]}" -r alice:/one/hidden "$SCRATCH/folder"
ok "scp -r of a folder that holds some" "${SCP[@]}" -r alice:/one/keys "$SCRATCH/keys"
exits 126 "rsync is refused where names are hidden" hf alice rsync --server --sender -logDtpr . /one/
like "$out$err" 'hidden by the admin \(deny\)' "and the reason is said"
nok "rsync from" rsync -a -e "ssh -F $SSH_CONFIG" alice:/one/ "$SCRATCH/rsynced/"
nok "brings nothing" test -e "$SCRATCH/rsynced/secret.pem"
ok "rsync from a server where nothing is" rsync -a -e "ssh -F $SSH_CONFIG" alice:/two/ "$SCRATCH/rsynced/"
is "$(ls "$SCRATCH/keys")" plain "brings the rest"
printf '[hf]\ntype = sftp\nhost = %s\nport = %s\nuser = alice\nkey_file = %s\nknown_hosts_file = %s\n' "$HOST" "$PORT" "$KEY" "$KNOWN_HOSTS" >"$SCRATCH/rclone.conf"
run rclone --config "$SCRATCH/rclone.conf" lsf -R hf:one
is "$(grep -vE '^(door|link)/?$' <<<"$out" | sort | tr '\n' ' ')" "keys/ keys/plain open " "rclone ls -R"
nok "rclone cat" rclone --config "$SCRATCH/rclone.conf" cat hf:one/secret.pem
is "$(cat "$ONE/secret.pem" "$ONE/keys/a.key" "$ONE/hidden/f" | sort -u)" canary "all is as it was"
is "$(find "$ONE" -newer "$S" -not -path "$ONE" -not -path '*/lost+found*' | wc -l)" 0 "nothing was made or changed"
ok "the server itself sees it" bash -c "[ -s '$ONE/secret.pem' ]"
exits 0 "a backup" hf alice backup create one
id=$(hf alice backup list --json | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p' | head -n 1)
hf alice backup get one "$id" >"$SCRATCH/backup.tar.zst" 2>/dev/null
ok "holds all files, as the manual says" bash -c "zstd -dc '$SCRATCH/backup.tar.zst' | tar t | grep -q secret.pem"

# --- names swapped meanwhile --------------------------------------------------------------------------------------------------------------------------

as_server one ln -s open swap; as_server one ln -s secret.pem swap.2
run "$HERE/t/lib/deny_race.py" "$HOST" "$PORT" "$KEY" "$ONE" 5
import_results "$TAP_TMP/out" "a link swapped for 5 s: "
[ "$rc" = 0 ] || fail "the race ran: $err"
rm -f "$ONE/swap" "$ONE/swap.2"

# --- reload while something runs ------------------------------------------------------------------------------------------------------------------------

head -c 40M /dev/zero >"$SCRATCH/slow"
( timeout 60 "${SFTP[@]}" -l 6000 -b - alice <<<"put $SCRATCH/slow /one/slow" >"$SCRATCH/upload" 2>&1; echo "$? ${EPOCHREALTIME/./}" >"$SCRATCH/ended" ) & client=$!
ok "an upload runs" wait_until 10 bash -c "[ \"\$(stat -c %s '$ONE/slow' 2>/dev/null || echo 0)\" -gt 100000 ]"
mkfifo "$SCRATCH/commands"
timeout 60 "${SFTP[@]}" -b - alice <"$SCRATCH/commands" >"$SCRATCH/looker" 2>&1 & looker=$!
exec 7>"$SCRATCH/commands"
echo "ls /one" >&7
ok "another looked at a listing" wait_until 10 grep -q open "$SCRATCH/looker"
as_server one truncate -s 8G hole
( hf alice sha512sum /one/hole >"$SCRATCH/sum" 2>&1; echo "$? ${EPOCHREALTIME/./}" >"$SCRATCH/sum.ended" ) & summer=$!
ok "a digest is at work" wait_until 10 logged 'sha512sum /one/hole'
deny '*.pem' hidden 'keys/*.key' slow
from=$(now_us)
exits 0 "one pattern more" reload
ok "the upload ends" wait_until 5 test -s "$SCRATCH/ended"
atmost $((($(cut -d' ' -f2 "$SCRATCH/ended") - from) / 1000)) 1500 "within a second, ms"
isnt "$(cut -d' ' -f1 "$SCRATCH/ended")" 0 "as a failure"
like "$(<"$SCRATCH/upload")" 'one: the files of this server were re-configured' "and is told why"
ok "the digest ends" wait_until 5 test -s "$SCRATCH/sum.ended"
wait $summer
is "$(cut -d' ' -f1 "$SCRATCH/sum.ended")" 69 "as unavailable"
like "$(<"$SCRATCH/sum")" 'one: the files of this server were re-configured' "and says why"
rm -f "$ONE/hole"
size=$(stat -c %s "$ONE/slow")
printf '%s\n' "-get /one/slow $SCRATCH/got" "ls /one/keys" >&7
exec 7>&-
wait $looker; wait $client
like "$(<"$SCRATCH/looker")" 'keys/plain' "who had nothing open goes on"
like "$(<"$SCRATCH/looker")" '"/one/slow"|/one/slow.*not found|Permission denied' "by the new patterns"
is "$(ls "$SCRATCH/got" 2>/dev/null)" "" "which hold for it at once"
is "$(stat -c %s "$ONE/slow")" "$size" "not a byte more was written"
deny
exits 0 "no pattern any more" reload
ok "and all is seen again" hf alice md5sum /one/secret.pem /one/hidden/f
exits 0 "a reload that changes nothing" reload
is "$(grep -c 'files.ended' "$LOG")" "$(grep 'files.ended' "$LOG" | grep -c 're-configured')" "ends no worker for another reason"
done_testing
