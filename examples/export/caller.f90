! Calls the network in surface.c: its output, and its derivatives by the inputs.
module surface_network
  use iso_c_binding, only: c_double
  implicit none

  interface
    subroutine surface(x, y) bind(c)
      import :: c_double
      real(c_double), intent(in) :: x(2)
      real(c_double), intent(out) :: y(1)
    end subroutine surface

    subroutine surface_input_gradient(x, v, dx) bind(c)
      import :: c_double
      real(c_double), intent(in) :: x(2), v(1)
      real(c_double), intent(out) :: dx(2)
    end subroutine surface_input_gradient
  end interface
end module surface_network

program caller
  use iso_c_binding, only: c_double
  use surface_network
  implicit none
  real(c_double) :: x(2) = [0.5_c_double, -0.25_c_double], y(1), dx(2)

  call surface(x, y)
  call surface_input_gradient(x, [1.0_c_double], dx)
  print '(3es25.16e3)', y, dx
end program caller
