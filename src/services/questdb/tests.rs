//! Plans of QuestDB.
