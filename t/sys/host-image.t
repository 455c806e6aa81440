#!/bin/bash
# Image `host`: what programs find in /etc and /sys of a sandbox, and that real ones are content with it.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rig.sh"
need_root
scratch
cat >"$SCRATCH/more.ini" <<'EOF'
[server one]
restart = never
memory = 1G
memory_high = 0
pids = 200
EOF
cat >"$SCRATCH/run" <<'EOF'
#!/bin/sh
exec >seen 2>&1
say() { echo "$1=$(shift; "$@" 2>&1 | head -n 5 | tr '\n' ' ')"; }
say services getent services ssh
say protocols getent protocols udp
say user getent passwd server
say localhost getent hosts localhost
say zone date +%Z
say release sed -n 's/^ID=//p' /etc/os-release
say processors nproc
say configured getconf _NPROCESSORS_CONF
say huge cat /sys/kernel/mm/transparent_hugepage/enabled
say mtab head -c 5 /etc/mtab
say trusted python3 -c 'import ssl; print(ssl.create_default_context().cert_store_stats()["x509_ca"])'
say verified openssl verify -CApath /etc/ssl/certs /etc/ssl/certs/ISRG_Root_X1.pem
say mime python3 -c 'import mimetypes; print(mimetypes.guess_type("x.json")[0])'
say broken find /etc -path /etc/alternatives -prune -o -xtype l -print
ls /etc | tr '\n' ' ' | sed 's/^/etc=/'; echo
touch /etc/x /etc/ssl/certs/x /etc/alternatives/x 2>/dev/null && echo written=yes
[ -n "$JAVA" ] && say java java -version
[ -n "$JAVA" ] && say cacerts sh -c 'keytool -list -cacerts -storepass changeit | grep contains'
[ -n "$FONTS" ] && say fonts fc-match sans
echo end=yes
exec sleep 600
EOF
chmod 0755 "$SCRATCH/run"
java=$(command -v java >/dev/null && command -v keytool >/dev/null && [[ $(readlink -f "$(command -v java)") == /usr/* ]] && echo yes)
fonts=$(command -v fc-match >/dev/null && [ -d /etc/fonts ] && echo yes)
printf 'environment = JAVA=%s\nenvironment = FONTS=%s\n' "$java" "$fonts" >>"$SCRATCH/more.ini"
rig_up --ini "$SCRATCH/more.ini"
printf 'put -p "%s" /one/run\n' "$SCRATCH/run" | batch alice >/dev/null
exits 0 "start" hf alice start one --wait --timeout 30
all() { batch alice <<<"get /one/seen $SCRATCH/seen" >/dev/null 2>&1 && grep -q '^end=' "$SCRATCH/seen"; }
wait_until 100 all || bail "it did not come to its end: $(<"$SCRATCH/seen")"
got() { sed -n "s/^$1=//p" "$SCRATCH/seen"; }
here() { "$@" 2>&1 | head -n 5 | tr '\n' ' '; }

[ ! -e /etc/services ] || is "$(got services)" "$(here getent services ssh)" "names of services"
[ ! -e /etc/protocols ] || is "$(got protocols)" "$(here getent protocols udp)" "and of protocols"
like "$(got user)" '^server:x:1000:1000:' "users are the sandbox's"
like "$(got localhost)" 'localhost' "localhost is known"
is "$(got zone)" "$(here date +%Z)" "the time zone is the machine's"
is "$(got release)" "$(here sed -n 's/^ID=//p' /usr/lib/os-release)" "what system it is"
is "$(got processors)" "$(here nproc)" "how many processors"
is "$(got configured)" "$(here getconf _NPROCESSORS_CONF)" "also those that are off"
is "$(got huge)" "$(here cat /sys/kernel/mm/transparent_hugepage/enabled)" "whether there are huge pages"
isnt "$(got mtab)" "" "what is mounted"
if [ -e /etc/ssl/certs/ISRG_Root_X1.pem ]; then
    like "$(got verified)" 'ISRG_Root_X1.pem: OK' "OpenSSL trusts whom the machine trusts"
    atleast "$(got trusted | tr -d ' ')" 50 "Python too"
else
    skip "certificates" "none are here: install ca-certificates"
fi
is "$(got mime)" "application/json " "types of files"
is "$(got broken)" "" "no link in /etc leads nowhere"
unlike " $(got etc)" ' (shadow|gshadow|sudoers|ssh|fstab|environment|profile|bash.bashrc|crontab|holdfast|wgetrc|apt|pam.d|ld.so.conf|subuid) ' "nothing that an admin writes"
is "$(got written)" "" "nothing of it can be written"
if [ -n "$java" ]; then
    like "$(got java)" 'Runtime|openjdk version' "Java starts"
    unlike "$(got java)" 'rror' "without an error"
    like "$(got cacerts)" 'contains [0-9]+ entries' "and finds its certificates"
else
    skip "Java" "not installed below /usr"
fi
if [ -n "$fonts" ]; then
    is "$(got fonts)" "$(here fc-match sans)" "fonts are found"
    unlike "$(got fonts)" 'Fontconfig error' "by their configuration"
else
    skip "fonts" "fontconfig is not installed"
fi
exits 0 "kill" hf alice kill one --wait --timeout 20

# --- a time zone that is a file, as some installers make it -----------------------------------------------------------------------------------------

if [ -e /usr/share/zoneinfo/Asia/Tokyo ]; then
    cp /usr/share/zoneinfo/Asia/Tokyo "$SCRATCH/tokyo"
    mkdir "$SCRATCH/etc" "$SCRATCH/files"; cp -a /etc/. "$SCRATCH/etc/" 2>/dev/null
    rm -f "$SCRATCH/etc/localtime"; cp "$SCRATCH/tokyo" "$SCRATCH/etc/localtime"
    chmod 0755 "$SCRATCH" "$SCRATCH/etc"; chown 1967080:1967080 "$SCRATCH/files"
    zone=$(unshare -m sh -c 'mount --bind "$1/etc" /etc && shift && exec "$@"' - "$SCRATCH" "$BUILD/t/lib/sandbox_run" launch="$PREFIX/libexec/holdfast-launch" \
        init="$PREFIX/libexec/holdfast-init" shim="$BUILD/t/lib/stand_shim" dir="$SCRATCH/files" interface="hft$$" -- /bin/date +%Z 2>&1)
    like "$zone" $'\nJST' "a copied zone is the zone inside"
else
    skip "a copied zone" "no /usr/share/zoneinfo"
fi
done_testing
