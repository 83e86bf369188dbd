//! Upstreams that answer, slowly or in parts.

use super::fake::*;

#[tokio::test]
async fn an_answer_comes_with_the_question_in_lower_case_and_without_opt() {
    let fake = Fake::honest([192, 0, 2, 1]).await;
    let answer = ask(&to(&[&fake]), "Web.Example").await.unwrap();
    assert_eq!(shown(&answer.message), ["Answer web.example. 60 1 192.0.2.1"]);
    assert_eq!(&answer.message[..12], b"\0\0\x81\x80\0\x01\0\x01\0\0\0\0");
    assert_eq!(&answer.message[12..25], b"\x03web\x07example\0");
    assert_eq!(answer.upstream.unwrap().address, fake.address);
}
