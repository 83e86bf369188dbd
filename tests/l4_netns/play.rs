use crate::namespace::*;
#[test]
fn play() {
    alone("play::play", || {
        let r = crate::sample::ruleset();
        let mut k = slipway::l4::nft::Kernel::open().unwrap();
        k.apply(&crate::tables::all(&r)).unwrap();
        println!("{}", run("nft", &["list", "chain", "ip6", "slipway", "remembering"]));
        println!("{}", run("nft", &["list", "chain", "ip6", "slipway", "sticky-2"]));
    });
}
