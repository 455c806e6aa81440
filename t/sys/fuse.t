#!/bin/bash
# A server whose disk is a process (quota = fuse): what it may, by SFTP and in its sandbox; numbers that agree; that process killed, stopped; the
# daemon killed; limits changed while it runs.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
[ -c /dev/fuse ] || skip_all "no /dev/fuse"
scratch
printf '[server one]\nquota = fuse\ndisk = 64M\ninodes = 2000\n' >"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
quotafs() { role_pids quotafs | head -1; }
tool() { timeout 30 "$TOOL" --run "$RUN" "$@"; }
number() { hf alice quota one --json | sed -n "s/.*\"$1\":\"\\{0,1\\}\\([a-z0-9]*\\).*/\\1/p"; }

put_run one <<'END'
#!/bin/sh
echo up
while read line; do
    case $line in
    fill) dd if=/dev/zero of=filled bs=64k count=4000 2>&1 | tail -1 ;;
    free) rm -f filled; echo freed ;;
    look) cat kept; df -k . | tail -1 ;;
    esac
done
END
exits 0 "it starts" started one
is "$(number backend)" fuse "on fuse"
like "$(tool --json status | grep '"one"')" '"quota":"fuse"' "and the admin is told so"
is "$(findmnt -no FSTYPE "$PREFIX/state/servers/one")" "fuse.$(findmnt -no FSTYPE "$PREFIX/state/servers/one" | cut -d. -f2-)" "which is a mount of that kind"
head -c 3000000 /dev/urandom >"$SCRATCH/data"
exits 0 "a file by SFTP" put alice "$SCRATCH/data" /one/data
exits 0 "and back" batch alice <<<"get /one/data $SCRATCH/back"
ok "is the same" cmp "$SCRATCH/data" "$SCRATCH/back"
echo kept >"$SCRATCH/kept"
exits 0 "another" put alice "$SCRATCH/kept" /one/kept
wait_until 10 eval '[ "$(number used)" -ge 3000000 ]'
is "$(number used)" "$(field one disk_used)" "quota and status agree"
is "$(number limit)" 67108864 "on the limit too"
atmost "$(($(hf alice df -k /one 2>/dev/null | awk 'NR == 2 { print $3 }' || echo 0) * 1024 - $(number used)))" 4096 "df agrees"
exits 0 "quota check" tool quota check one
like "$out" 'equal' "finds what the process says"
exits 0 "a backup of it" hf alice backup create one
id=$out
hf alice backup get one "$id" >"$SCRATCH/backup"
like "$(tar --zstd -tf "$SCRATCH/backup" 2>&1)" 'data' "has its files"

# Full, from inside and by SFTP.
hf alice send one fill >/dev/null
ok "a program fills it" wait_until 30 eval '[ "$(number used)" -ge 66000000 ]'
head -c 8000000 /dev/zero >"$SCRATCH/more"
exits 1 "nothing more fits" put alice "$SCRATCH/more" /one/more
like "$out$err" 'quota exceeded' "which is said"
atmost "$(number used)" 67108864 "the limit holds"
exits 0 "to free it" hf alice send one free
ok "is seen" wait_until 15 eval '[ "$(number used)" -lt 20000000 ]'

# Limits while it runs.
sed -i '/^\[server one\]/,/^\[/s/^disk = .*/disk = 8M/' "$CONFIG/servers.d/rig.ini"
exits 0 "a smaller limit" tool reload
ok "is in force at once" wait_until 10 eval '[ "$(number limit)" = 8388608 ]'
hf alice send one fill >/dev/null
sleep 2
atmost "$(number used)" 8388608 "also for what runs"
hf alice send one free >/dev/null
sed -i '/^\[server one\]/,/^\[/s/^disk = .*/disk = 64M/' "$CONFIG/servers.d/rig.ini"
exits 0 "and back" tool reload

# The process stops answering: nobody but its users waits.
pid=$(quotafs)
kill -STOP "$pid"
from=$(date +%s%N)
exits 0 "while it does not answer, the daemon does" tool status
exits 0 "and tells what it was told last" hf alice quota one
exits 0 "others' servers are served" hf bob quota three
atmost "$((($(date +%s%N) - from) / 1000000))" 8000 "soon"
kill -CONT "$pid"

# It dies: the disk is there again, with what was on it, and the server runs on it.
before=$(field one pid)
kill -9 "$pid"
ok "killed, there is another" wait_until 20 eval 'p=$(quotafs); [ -n "$p" ] && [ "$p" != "$pid" ]'
ok "the server was started anew" wait_until 60 eval 'p=$(field one pid); [ -n "$p" ] && [ "$p" != 0 ] && [ "$p" != "$before" ] && state_is one running'
ok "the log says why" logged 'disk.lost.*server=one'
exits 0 "its files" batch alice <<<"get /one/data $SCRATCH/again"
ok "are what they were" cmp "$SCRATCH/data" "$SCRATCH/again"
hf alice send one look >/dev/null
ok "inside too" wait_until 10 eval 'hf alice logs one -n 5 | grep -q kept'
exits 0 "quota check after that" tool quota check one

# The daemon dies: neither the server nor its disk do.
pid=$(quotafs) server=$(field one pid)
kill -9 "$SERVER_PID"
wait_until 5 eval '! kill -0 $SERVER_PID 2>/dev/null'
eval "$("$HERE/t/rig" start "$PREFIX")"
is "$(quotafs)" "$pid" "killed, the daemon finds the process it had"
is "$(field one pid)" "$server" "and the server"
ok "and is told what is used" wait_until 10 eval '[ "$(number used)" -gt 3000000 ]'
exits 0 "it stops" stopped one
is "$(grep -c 'BUG\|invariant' "$LOG")" 0 "no invariant broke"
done_testing
