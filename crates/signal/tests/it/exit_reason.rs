//! Why a process ended: which reasons are orderly, how they read, how cheap they are to pass on.

use freeboard_signal::{ExitReason, PanicInfo};
use std::{error::Error, fmt, sync::Arc};

#[derive(Debug)]
struct Oops;

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("oops")
    }
}

impl Error for Oops {}

fn panicked(location: &str) -> ExitReason {
    ExitReason::Panic(Arc::new(PanicInfo { message: "no".to_owned(), location: location.to_owned() }))
}

/// Every reason there is: whether it is orderly, and how it reads.
fn table() -> Vec<(ExitReason, bool, &'static str)> {
    vec![
        (ExitReason::Normal, true, "normal"),
        (ExitReason::Shutdown, true, "shutdown"),
        (ExitReason::ShutdownWith("rescale".into()), true, "shutdown: rescale"),
        (ExitReason::Killed, false, "killed"),
        (ExitReason::NoProc, false, "no such process"),
        (ExitReason::NoConnection, false, "connection lost"),
        (panicked(""), false, "panic: no"),
        (panicked("a.rs:1:2"), false, "panic at a.rs:1:2: no"),
        (Oops.into(), false, "error: oops"),
    ]
}

// OTP: A4
#[test]
fn normal_shutdown_and_shutdown_with_detail_are_the_orderly_ends() {
    for (reason, orderly, text) in table() {
        assert_eq!(reason.is_expected(), orderly, "{text}");
        assert_eq!(reason.to_string(), text);
    }
    assert_eq!(table().iter().filter(|(_, orderly, _)| *orderly).count(), 3);
}

// OTP: A3
#[test]
fn any_error_becomes_an_abnormal_reason_and_can_be_had_back() {
    fn body() -> Result<(), ExitReason> {
        Err(Oops)?;
        Ok(())
    }
    match body() {
        Err(ExitReason::Error(error)) => assert!(error.downcast_ref::<Oops>().is_some()),
        other => panic!("{other:?}"),
    }
}

// OTP: A3
#[test]
fn a_panic_keeps_its_text_whatever_the_payload() {
    let payloads: [(Box<dyn std::any::Any + Send>, &str); 3] = [
        (Box::new("still"), "still"),
        (Box::new("owned".to_owned()), "owned"),
        (Box::new(7_u8), "panic with a payload that is no text"),
    ];
    for (payload, text) in payloads {
        match ExitReason::from_panic(payload.as_ref(), "b.rs:3:4".to_owned()) {
            ExitReason::Panic(info) => {
                assert_eq!((info.message.as_str(), info.location.as_str()), (text, "b.rs:3:4"));
            }
            other => panic!("{other:?}"),
        }
    }
}

// OTP: A1, C20
#[test]
fn telling_a_reason_to_many_copies_no_payload() {
    let text: Arc<str> = "x".repeat(1 << 16).into();
    let reason = ExitReason::ShutdownWith(Arc::clone(&text));
    let copies: Vec<_> = (0..100).map(|_| reason.clone()).collect();
    assert_eq!(Arc::strong_count(&text), 102);
    for copy in &copies {
        assert!(matches!(copy, ExitReason::ShutdownWith(same) if Arc::ptr_eq(same, &text)));
    }
    assert!(size_of::<ExitReason>() <= 24, "{}", size_of::<ExitReason>());
}
