# etcd, API server, controller manager and scheduler, all on node 1.
# shellcheck shell=bash

control_plane() {
    certificates
    start etcd apiserver
    need 60 apiserver api_ready
    start controllers
}

api_ready() {
    on 1 curl -sSf -m 2 --cacert "$STATE/ca.crt" -H "Authorization: Bearer $(cut -d, -f1 "$STATE/tokens.csv")" \
        "https://$CONTROL_ADDRESS:6443/readyz"
}

start_etcd() {
    spawn 1 etcd "$(kubernetes)" etcd --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380
}

start_apiserver() {
    # Webhooks are called at their pods' addresses: no Service proxy is needed for them.
    spawn 1 apiserver "$(kubernetes)" kube-apiserver --etcd-servers http://127.0.0.1:2379 --cert-dir "$STATE" \
        --advertise-address "$CONTROL_ADDRESS" --secure-port 6443 --service-cluster-ip-range "$SERVICE_RANGE" \
        --tls-cert-file "$STATE/api.crt" --tls-private-key-file "$STATE/api.key" --client-ca-file "$STATE/ca.crt" \
        --token-auth-file "$STATE/tokens.csv" --authorization-mode Node,RBAC --allow-privileged=true \
        --service-account-issuer https://kubernetes.default.svc.cluster.local \
        --service-account-key-file "$STATE/accounts.pub" --service-account-signing-key-file "$STATE/accounts.key" \
        --enable-aggregator-routing=true --kubelet-preferred-address-types InternalIP
}

start_controllers() {
    spawn 1 controllers "$(kubernetes)" kube-controller-manager --kubeconfig "$ADMIN" --leader-elect=false \
        --service-account-private-key-file "$STATE/accounts.key" --root-ca-file "$STATE/ca.crt" \
        --cluster-signing-cert-file "$STATE/ca.crt" --cluster-signing-key-file "$STATE/ca.key" \
        --use-service-account-credentials=true --allocate-node-cidrs=true --cluster-cidr "$POD_RANGE" \
        --service-cluster-ip-range "$SERVICE_RANGE"
}

start_scheduler() {
    spawn 1 scheduler "$(kubernetes)" kube-scheduler --kubeconfig "$ADMIN" --leader-elect=false
}

# The authority, the API server's certificate, the key that signs service accounts' tokens, the administrator's kubeconfig.
certificates() {
    local names="DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost"
    local ec=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    (
        cd "$STATE"
        openssl req -x509 "${ec[@]}" -days 30 -subj "/CN=$NAME" -keyout ca.key -out ca.crt
        openssl req "${ec[@]}" -subj /CN=kube-apiserver -keyout api.key -out api.csr
        echo "subjectAltName=$names,IP:127.0.0.1,IP:$CONTROL_ADDRESS,IP:$API_SERVICE_ADDRESS" >api.names
        openssl x509 -req -in api.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile api.names -out api.crt
        openssl ecparam -genkey -name prime256v1 -noout -out accounts.key
        openssl ec -in accounts.key -pubout -out accounts.pub
        echo "$(openssl rand -hex 16),admin,admin,\"system:masters\"" >tokens.csv
    ) 2>"$STATE/log/openssl.log" || fail "openssl: $(tail -n 3 "$STATE/log/openssl.log")"
    cat >"$ADMIN" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: $NAME, cluster: {server: "https://$CONTROL_ADDRESS:6443", certificate-authority: $STATE/ca.crt}}]
users: [{name: admin, user: {token: $(cut -d, -f1 "$STATE/tokens.csv")}}]
contexts: [{name: $NAME, context: {cluster: $NAME, user: admin}}]
current-context: $NAME
YAML
}
