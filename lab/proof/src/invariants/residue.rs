//! What the promises can't cover.

/// What nobody can prevent, as Route 53, RDS and people share no transaction; counted, not hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Residue {
    /// A person forced the check unhealthy with exactly the version that an invocation had announced, or was about to
    /// announce in that moment: the setting passes for the function's.
    pub claimed_by_accident: u64,
    /// A person took the switch back between the last look at it and the promotion.
    pub switch_moved_under_promotion: u64,
    /// RDS accepted the promotions of two overlapping invocations, as nothing came of the first.
    pub accepted_twice: u64,
    /// A tick's announcement landed on an order's, and the order did not live to look at its claim once more.
    pub order_overtaken: u64,
    /// The old primary was stopped though a person had promoted the replica, while the function's own promotion counted
    /// as sent; or though a person deleted the promoted instance after the last look at it.
    pub fenced_by_accident: u64,
    /// Traffic went back while RDS did not show yet that a person had just promoted the replica, after a promotion of the
    /// function's that came to nothing.
    pub promoted_unseen: u64,
}
