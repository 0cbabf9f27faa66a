/** The one style sheet, in this order: later files build on the earlier ones. */
import './tokens.css';
import './base.css';
import './frame.css';
import './parts.css';
import './table.css';
import './views.css';
