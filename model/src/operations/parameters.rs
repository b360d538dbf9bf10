//! The closed sets of words that requests choose from.

/// A closed set of words.
pub(crate) trait Parameter: Sized {
    /// The words in the order in which the service's errors list them.
    const WORDS: &'static str;

    /// What that word in the API stands for.
    fn from_name(name: &str) -> Option<Self>;
}

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident [$order:literal] default $default:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word in the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)+
                }
            }

            /// What that word in the API stands for.
            pub fn from_name(name: &str) -> Option<$name> {
                match name {
                    $($text => Some($name::$variant),)+
                    _ => None,
                }
            }
        }

        impl Parameter for $name {
            const WORDS: &'static str = $order;

            fn from_name(name: &str) -> Option<$name> {
                $name::from_name(name)
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name::$default
            }
        }
    )+};
}

parameters! {
    /// Which attributes a write answers.
    ReturnValues ["[ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"] default None {
        /// Nothing.
        None = "NONE",
        /// The whole item as it was.
        AllOld = "ALL_OLD",
        /// What was at the updated paths.
        UpdatedOld = "UPDATED_OLD",
        /// The whole item as it is now.
        AllNew = "ALL_NEW",
        /// What is at the updated paths now.
        UpdatedNew = "UPDATED_NEW",
    }
    /// Whether an answer tells what it cost.
    ReturnConsumedCapacity ["[INDEXES, TOTAL, NONE]"] default None {
        /// No.
        None = "NONE",
        /// As one number.
        Total = "TOTAL",
        /// With the table and each index apart.
        Indexes = "INDEXES",
    }
    /// Whether a write answers the size of its item collection.
    ReturnItemCollectionMetrics ["[SIZE, NONE]"] default None {
        /// No.
        None = "NONE",
        /// Yes, for tables with local secondary indexes.
        Size = "SIZE",
    }
    /// Whether the error of a failed condition carries the item.
    ReturnValuesOnConditionCheckFailure ["[ALL_OLD, NONE]"] default None {
        /// No.
        None = "NONE",
        /// Yes, as it is.
        AllOld = "ALL_OLD",
    }
    /// How the conditions of `Expected`, `QueryFilter` or `ScanFilter` go together.
    ConditionalOperator ["[OR, AND]"] default And {
        /// All must hold.
        And = "AND",
        /// One must hold.
        Or = "OR",
    }
    /// How a legacy condition compares.
    ComparisonOperator ["[IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]"] default Eq {
        /// Equal; any type.
        Eq = "EQ",
        /// Not equal, or absent; any type.
        Ne = "NE",
        /// Equal to one of several scalars.
        In = "IN",
        /// At most.
        Le = "LE",
        /// Below.
        Lt = "LT",
        /// At least.
        Ge = "GE",
        /// Above.
        Gt = "GT",
        /// Between two bounds, both included.
        Between = "BETWEEN",
        /// Present, whatever it holds.
        NotNull = "NOT_NULL",
        /// Absent; not the type of that name.
        Null = "NULL",
        /// Has the substring, or the member.
        Contains = "CONTAINS",
        /// Is present and has not the substring or the member.
        NotContains = "NOT_CONTAINS",
        /// Starts with.
        BeginsWith = "BEGINS_WITH",
    }
    /// What `AttributeUpdates` does to an attribute.
    AttributeAction ["[ADD, PUT, DELETE]"] default Put {
        /// Sets it.
        Put = "PUT",
        /// Adds a number to it, members to a set, or elements to the end of a list.
        Add = "ADD",
        /// Removes it, or members from a set.
        Delete = "DELETE",
    }
    /// What Query and Scan answer.
    Select ["[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"] default AllAttributes {
        /// Whole items.
        AllAttributes = "ALL_ATTRIBUTES",
        /// What the index holds.
        AllProjectedAttributes = "ALL_PROJECTED_ATTRIBUTES",
        /// What the projection names.
        SpecificAttributes = "SPECIFIC_ATTRIBUTES",
        /// Only how many.
        Count = "COUNT",
    }
}
