// The last script of a page that is drawn.
window.voila_finish();
