#!/bin/bash
# The ids that an installation takes: refused by name where the machine has given them to others; given out once and no more.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
chmod 0755 "$SCRATCH"
cat >"$SCRATCH/more.ini" <<'EOF'
[ids]
ranges = 4
EOF
rig_up --ini "$SCRATCH/more.ini"
last=$((SERVERS_UID + 4 * 65536 - 1))

# --- users of this machine ------------------------------------------------------------------------------------------------------------------------

# holdfastd -t on a machine whose FILE of /etc ends in LINE.
with() {
    cp "/etc/$1" "$SCRATCH/etc.$1" 2>/dev/null || : >"$SCRATCH/etc.$1"
    echo "$2" >>"$SCRATCH/etc.$1"
    [ -e "/etc/$1" ] || return 0
    unshare -m sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' - "$SCRATCH/etc.$1" "/etc/$1" "$DAEMON" -c "$CONFIG" -t
}
exits 0 "as it is" "$DAEMON" -c "$CONFIG" -t
exits 1 "a user in the servers' ranges" with passwd "someone:x:$((SERVERS_UID + 70000)):100::/:/bin/sh"
like "$err$out" "holdfast.ini:[0-9]+: 'servers' takes the ids $SERVERS_UID to $last, but someone in /etc/passwd has $((SERVERS_UID + 70000))" "is named, with the line of the ini"
exits 1 "at their end" with passwd "someone:x:$last:100::/:/bin/sh"
exits 0 "behind it" with passwd "someone:x:$((last + 1)):100::/:/bin/sh"
exits 1 "a group" with group "some:x:$SERVERS_UID:"
like "$err$out" "but some in /etc/group has $SERVERS_UID" "is"
exits 1 "a user among the sessions" with passwd "someone:x:$((SESSIONS_UID + 255)):100::/:/bin/sh"
like "$err$out" "'sessions' takes the ids $SESSIONS_UID to $((SESSIONS_UID + 257)), but someone in /etc/passwd has $((SESSIONS_UID + 255))" "is"
exits 0 "the roles' own users" with passwd "holdfast-store-of-the-test:x:$STORE_UID:100::/:/usr/sbin/nologin"
for f in subuid subgid; do
    if [ -e /etc/$f ]; then
        exits 1 "ids given to a user's containers in /etc/$f" with $f "someone:$((SERVERS_UID - 1000)):65536"
        like "$err$out" "but someone in /etc/$f has $((SERVERS_UID - 1000)) to $((SERVERS_UID + 64535))" "are"
        exits 0 "those that end before ours are not in the way" with $f "someone:$((SERVERS_UID - 65536)):65536"
    else
        skip "/etc/$f" "there is none"
    fi
done

# --- other ranges --------------------------------------------------------------------------------------------------------------------------------------

cp -a "$CONFIG" "$SCRATCH/conf"
changed() { sed "/^\[ids\]/,/^\[/s/^$1 = .*/$1 = $2/" "$CONFIG/holdfast.ini" >"$SCRATCH/conf/holdfast.ini"; "$DAEMON" -c "$SCRATCH/conf" -t; }
exits 1 "ranges that reach the sessions" changed servers $((SESSIONS_UID - 3 * 65536))
like "$err$out" 'of servers \(from [0-9]+\) meet' "are refused"
exits 1 "more than there is room for" changed servers $((2147483648 - 4 * 65536 + 1))
like "$err$out" 'no room for 4 ranges of 65536 uids below 2147483648; allowed: at most 3' "with how many there are"
exits 0 "just that" changed servers $((2147483648 - 4 * 65536))
exits 1 "ids of the machine's own" changed servers 60000
like "$err$out" "'servers' is 60000; allowed: 65536 or more" "are refused"
exits 1 "fewer ranges than servers" changed ranges 2
like "$err$out" 'there are 3 servers, and ranges of uids for 2' "are"
exits 1 "a role among the servers" changed shim $((SERVERS_UID + 1000))
like "$err$out" "uid $((SERVERS_UID + 1000)) is one of the sessions' or servers'" "is"
sed -i 's/^ranges = 4/ranges = 5/' "$CONFIG/holdfast.ini"
exits 1 "a reload cannot change them" "$TOOL" --run "$RUN" reload
like "$err$out" '\[ids\] changes only with a restart' "and says so"
sed -i 's/^ranges = 5/ranges = 4/' "$CONFIG/holdfast.ini"

# --- when all are given ------------------------------------------------------------------------------------------------------------------------------

add() { printf '[server %s]\nowner = alice\ncommand = ./run\ndisk = 4M\nnetwork = none\n' "$1" >"$CONFIG/servers.d/$1.ini"; chmod 0600 "$CONFIG/servers.d/$1.ini"; }
uids() { "$TOOL" --run "$RUN" server show "$1" 2>/dev/null | awk '$1 == "uids" { print $2, $4 }'; }
add four
exits 0 "the last range" "$TOOL" --run "$RUN" reload
is "$(uids four)" "$((last - 65535)) $last" "is a server's"
rm "$CONFIG/servers.d/four.ini"; add five
exits 1 "another server in its place" "$TOOL" --run "$RUN" reload
like "$err$out" 'five: its number is 4, and \[ids\] has uids for the numbers 0 to 3; one is never given twice' "is refused, with the reason"
is "$(uids five)" "" "it is not there"
ok "the daemon goes on" daemon_up
is "$(hf alice status --json | grep -c '"server": *"four"')" 1 "with what it had"
rm "$CONFIG/servers.d/five.ini"
exits 0 "without it all is well" "$TOOL" --run "$RUN" reload
add four
exits 0 "the one that left comes back" "$TOOL" --run "$RUN" reload
is "$(uids four)" "$((last - 65535)) $last" "to its own"
done_testing
