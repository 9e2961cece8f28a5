//! Invitations, and the users who came by one.

use std::time::Duration;

use stenobot_domain::UserId;
use stenobot_store::InvitationSecret;

use super::BACKEND;
use crate::store::test_store::{TestStore, arrival_of};

const HOUR: Duration = Duration::from_secs(3600);
const ANNA: UserId = UserId(1);
const BORIS: UserId = UserId(2);

#[tokio::test]
async fn an_invitation_is_good_for_one_user() {
    let test = TestStore::new(BACKEND).await;
    let users = &test.store.users;
    let secret = users.invite(HOUR).await.unwrap();
    let other = users.invite(HOUR).await.unwrap();
    assert_ne!(secret.expose(), other.expose());
    let (anna, boris) = tokio::join!(users.accept_invitation(ANNA, &secret), users.accept_invitation(BORIS, &secret));
    assert!(anna.unwrap() != boris.unwrap(), "one of two who open it at once");
    assert!(!users.accept_invitation(UserId(3), &secret).await.unwrap());
    assert_eq!(users.invited(10).await.unwrap().1, 1);
    assert_eq!(test.count("invitations").await, 1);
    assert!(users.accept_invitation(UserId(3), &other).await.unwrap());
    assert!(users.invited_since(UserId(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn an_invitation_expires() {
    let test = TestStore::new(BACKEND).await;
    let secret = test.store.users.invite(HOUR).await.unwrap();
    test.pass(HOUR + Duration::from_secs(1));
    assert!(!test.store.users.accept_invitation(ANNA, &secret).await.unwrap());
    assert_eq!(test.count("invitations").await, 0);
    assert_eq!(test.store.users.invited_since(ANNA).await.unwrap(), None);
}

#[tokio::test]
async fn an_invited_user_can_be_taken_out_and_forgets_the_invitation() {
    let test = TestStore::new(BACKEND).await;
    let users = &test.store.users;
    for user in [ANNA, BORIS] {
        test.take(&arrival_of(user.0, 1)).await;
        let secret = users.invite(HOUR).await.unwrap();
        assert!(users.accept_invitation(user, &secret).await.unwrap());
        assert!(users.my_data(user).await.unwrap().unwrap().invited_since.is_some());
    }
    assert!(users.uninvite(ANNA).await.unwrap() && !users.uninvite(ANNA).await.unwrap());
    let _forgotten = users.forget(BORIS).await.unwrap();
    assert_eq!((users.invited_since(BORIS).await.unwrap(), test.count("invited_users").await), (None, 0));
}

#[tokio::test]
async fn only_a_hash_of_the_secret_is_stored() {
    let test = TestStore::new(BACKEND).await;
    let secret = test.store.users.invite(HOUR).await.unwrap();
    assert!(!format!("{secret:?}").contains(secret.expose()));
    assert_eq!(InvitationSecret::parse(secret.expose()), Some(secret.clone()));
    for text in ["", "mydata", &secret.expose()[1..], &secret.expose().replace(|c: char| c.is_ascii_digit(), "G")] {
        assert_eq!(InvitationSecret::parse(text), None, "{text}");
    }
}
